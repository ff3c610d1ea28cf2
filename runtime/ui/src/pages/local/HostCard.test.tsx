import { cleanup, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Schemas } from '@/api/client';
import { type Asked, fakeGateway, prepareBrowser, show } from '@/testing/show';
import { HostCard, loadedBytes } from './HostCard';

type Host = Schemas['LocalHostState'];

const GIB = 2 ** 30;
const ADMIN = { settings_write: ['all'] };
const HOST = {
  name: 'box',
  api_base: 'http://10.0.0.7:11434',
  kind: 'ollama',
  up: true,
  version: '0.5.7',
  memory_bytes: 16 * GIB,
  slots: 4,
  slots_busy: 1,
  waiting: 2,
  public_names: ['mistral-local'],
  warnings: ['Two models do not fit at once.'],
  models: [
    { name: 'mistral:latest', size_bytes: 4 * GIB, loaded: true, vram_bytes: 5 * GIB, left_s: 240, context: 32768 },
    { name: 'tiny:latest', size_bytes: GIB, loaded: false },
    { name: 'far:latest', size_bytes: 0, remote: true },
    { name: 'unknown:latest', size_bytes: GIB, loaded: null },
  ],
} as unknown as Host;

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function rowOf(name: string): HTMLElement {
  return screen.getByText(name).closest('tr')!;
}

test('a host tells its state, its memory, its slots and each of its models', async () => {
  await show(<HostCard of={HOST} />, { may: ADMIN });
  expect(screen.getByText('answers')).toBeTruthy();
  expect(screen.getByText('ollama 0.5.7')).toBeTruthy();
  expect(screen.getByText(/of .* loaded/).textContent).toBe('5.4 GB of 17.2 GB loaded');
  expect(screen.getByText('1 of 4 busy')).toBeTruthy();
  expect(screen.getByText('2 on the host')).toBeTruthy();
  expect(screen.getByText('Two models do not fit at once.')).toBeTruthy();
  expect(rowOf('mistral:latest').textContent).toMatch(/loaded, 4.*left/);
  expect(rowOf('tiny:latest').textContent).toContain('on disk');
  expect(rowOf('far:latest').textContent).toContain('not local');
  expect(rowOf('unknown:latest').textContent).toContain('not told');
});

test('what is loaded counts by the memory that it takes, else by its size', () => {
  expect(loadedBytes(HOST.models!)).toBe(5 * GIB);
  expect(loadedBytes([{ name: 'a', loaded: true, size_bytes: 7 } as never, { name: 'b', loaded: false, size_bytes: 9 } as never])).toBe(7);
});

test('models are loaded and unloaded, and one that is passed on elsewhere is not', async () => {
  const asked = fakeGateway(() => ({}));
  await show(<HostCard of={HOST} />, { may: ADMIN });
  await userEvent.click(within(rowOf('tiny:latest')).getByRole('button', { name: 'Load' }));
  await userEvent.click(within(rowOf('mistral:latest')).getByRole('button', { name: 'Unload' }));
  await waitFor(() => expect(asked).toHaveLength(2));
  expect(asked.map(({ address, body }) => [new URL(address).pathname, body])).toEqual([
    ['/local/load', { model: 'tiny:latest', host: 'box' }],
    ['/local/unload', { model: 'mistral:latest', host: 'box' }],
  ]);
  expect(within(rowOf('far:latest')).queryByRole('button', { name: /load/i })).toBeNull();
});

test('a deletion says what stops working, and happens only after a yes', async () => {
  let refuses = true;
  const asked: Asked[] = fakeGateway(() => (refuses ? new Error('The host is away.') : {}));
  await show(<HostCard of={HOST} />, { may: ADMIN });
  await userEvent.click(within(rowOf('tiny:latest')).getByRole('button', { name: 'Delete' }));
  const dialog = await screen.findByRole('dialog');
  expect(dialog.textContent).toContain('The files of tiny:latest go from box');
  expect(asked).toEqual([]);
  await userEvent.click(within(dialog).getByRole('button', { name: 'Delete' }));
  expect((await within(dialog).findByRole('alert')).textContent).toBe('The host is away.');
  refuses = false;
  await userEvent.click(within(dialog).getByRole('button', { name: 'Delete' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(asked.map(({ body }) => body)).toEqual([{ model: 'tiny:latest', host: 'box' }, { model: 'tiny:latest', host: 'box' }]);
});

test('who may change nothing, and a host of another kind, have no buttons', async () => {
  await show(<HostCard of={HOST} />);
  expect(screen.queryByRole('button')).toBeNull();
  cleanup();
  await show(<HostCard of={{ ...HOST, kind: 'llama.cpp' } as unknown as Host} />, { may: ADMIN });
  expect(screen.queryByRole('button')).toBeNull();
});

test('a host that does not answer says why, and not that it is empty', async () => {
  await show(<HostCard of={{ ...HOST, up: false, error: 'connection refused', models: [] } as unknown as Host} />);
  expect(screen.getByText('does not answer')).toBeTruthy();
  expect(screen.getByText('connection refused')).toBeTruthy();
  expect(screen.getByText(/not known while it does not answer/)).toBeTruthy();
});
