import { MantineProvider } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { ReactNode } from 'react';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { ApiError } from '@/api/errors';
import { DataTable } from './DataTable';

interface Row {
  id: string;
}

beforeAll(() => {
  window.matchMedia = vi.fn().mockReturnValue({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn(), addListener: vi.fn(), removeListener: vi.fn() });
  window.ResizeObserver = class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  };
});
afterEach(cleanup);

const READY = { isError: false } as UseQueryResult<unknown>;
const COLUMNS = [{ id: 'id', header: 'Id', meta: { sort: 'id' }, cell: ({ row }: { row: { original: Row } }) => row.original.id }];

function show(more: object = {}): void {
  render(
    <MantineProvider>
      <DataTable<Row> name="t" label="Things" of={READY} rows={[{ id: 'one' }, { id: 'two' }]} columns={COLUMNS as never} id={(row) => row.id} empty="nothing yet" {...more} />
    </MantineProvider>,
  );
}

test('j and k go from row to row, and Enter opens one', async () => {
  const opened = vi.fn();
  show({ onOpen: opened });
  const person = userEvent.setup();
  screen.getByText('one').closest('tr')!.focus();
  await person.keyboard('j{Enter}');
  expect(opened).toHaveBeenLastCalledWith({ id: 'two' });
  await person.keyboard('k{Enter}');
  expect(opened).toHaveBeenLastCalledWith({ id: 'one' });
});

test('a sorted column says so, and a second click turns it round', async () => {
  const sorted = vi.fn();
  show({ sorting: { by: 'id', order: 'desc' }, onSort: sorted });
  expect(screen.getByRole('columnheader', { name: 'Id' }).getAttribute('aria-sort')).toBe('descending');
  await userEvent.click(screen.getByRole('button', { name: 'Id' }));
  expect(sorted).toHaveBeenCalledWith({ by: 'id', order: 'asc' });
});

test('a row that has not changed is not drawn anew with its page', () => {
  const drawn = vi.fn(({ row }: { row: { original: Row } }) => row.original.id);
  const rows = [{ id: 'one' }, { id: 'two' }];
  const columns = [{ id: 'id', header: 'Id', cell: drawn }];
  const table = (more: object): ReactNode => (
    <MantineProvider>
      <DataTable<Row> name="t" label="Things" of={READY} rows={rows} columns={columns as never} id={(row) => row.id} empty="nothing yet" onOpen={() => undefined} {...more} />
    </MantineProvider>
  );
  const clock = vi.spyOn(Date, 'now').mockReturnValue(0);
  const { rerender } = render(table({}));
  expect(drawn).toHaveBeenCalledTimes(2);
  rerender(table({ foot: 'two things' }));
  expect(drawn).toHaveBeenCalledTimes(2);
  rerender(table({ opened: 'two' }));
  expect(drawn).toHaveBeenCalledTimes(3);
  rerender(table({ rows: [{ id: 'three' }] }));
  expect(drawn).toHaveBeenCalledTimes(4);
  screen.getByText('three');
  clock.mockReturnValue(60_000); // cells say how long ago something was
  rerender(table({ rows: [{ id: 'three' }] }));
  expect(drawn).toHaveBeenCalledTimes(5);
  clock.mockRestore();
});

test('Enter does what the page does now', async () => {
  const [before, now] = [vi.fn(), vi.fn()];
  const rows = [{ id: 'one' }];
  const table = (onOpen: () => void): ReactNode => (
    <MantineProvider>
      <DataTable<Row> name="t" label="Things" of={READY} rows={rows} columns={COLUMNS as never} id={(row) => row.id} empty="nothing yet" onOpen={onOpen} />
    </MantineProvider>
  );
  const { rerender } = render(table(before));
  rerender(table(now));
  screen.getByText('one').closest('tr')!.focus();
  await userEvent.keyboard('{Enter}');
  expect([before.mock.calls.length, now.mock.calls.length]).toEqual([0, 1]);
});

test('x picks the row under the keys', async () => {
  const picked = vi.fn();
  show({ picked: new Set(['one']), onPick: picked });
  screen.getByText('two').closest('tr')!.focus();
  await userEvent.keyboard('x');
  expect([...(picked.mock.lastCall?.[0] as Set<string>)]).toEqual(['one', 'two']);
});

test('without an answer there is a skeleton, without rows what to do, and an error can be tried again', async () => {
  show({ rows: undefined });
  expect(screen.getByRole('table').getAttribute('aria-busy')).toBe('true');
  cleanup();
  show({ rows: [] });
  expect(screen.getByText('nothing yet')).toBeTruthy();
  cleanup();
  const refetch = vi.fn();
  show({ rows: undefined, of: { isError: true, error: new ApiError(503, 'Postgres is away', 'req-7'), refetch } });
  expect(screen.getByRole('alert').textContent).toContain('req-7');
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(refetch).toHaveBeenCalled();
});
