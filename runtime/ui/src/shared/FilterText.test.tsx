import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { prepareBrowser } from '@/testing/show';
import { FilterText } from './FilterText';

beforeAll(prepareBrowser);
afterEach(cleanup);

function field(value: string | undefined, onChange: (value: string) => void) {
  return (
    <MantineProvider>
      <FilterText label="Who" placeholder="" width={100} value={value} onChange={onChange} />
    </MantineProvider>
  );
}

test('the address follows what is typed, once and without blanks around it', async () => {
  const told = vi.fn();
  render(field(undefined, told));
  await userEvent.type(screen.getByLabelText('Who'), ' ada ');
  await waitFor(() => expect(told).toHaveBeenCalledWith('ada'));
  expect(told).toHaveBeenCalledTimes(1);
});

test('the field follows an address that something else changed, and keeps what is being typed', async () => {
  const told = vi.fn();
  const { rerender } = render(field('ada', told));
  const input = screen.getByLabelText<HTMLInputElement>('Who');
  rerender(field('bob', told));
  expect(input.value).toBe('bob');
  await userEvent.type(input, 'by ');
  await waitFor(() => expect(told).toHaveBeenCalledWith('bobby'));
  rerender(field('bobby', told));
  expect(input.value).toBe('bobby ');
});

test('what was typed is no filter of an address that came meanwhile', async () => {
  const told = vi.fn();
  const { rerender } = render(field('ada', told));
  const input = screen.getByLabelText<HTMLInputElement>('Who');
  await userEvent.type(input, 'x');
  rerender(field('bob', told));
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(input.value).toBe('bob');
  expect(told).not.toHaveBeenCalled();
});
