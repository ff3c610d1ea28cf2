import { cleanup, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type Asked, fakeGateway, prepareBrowser, show } from '@/testing/show';
import { SavedFilters } from './SavedFilters';

const MAY = { filters_read: ['mine'], filters_write: ['mine'] };
interface Row {
  filter_id: string;
  page: string;
  name: string;
  filters: Record<string, string>;
}
let rows: Row[];
let asked: Asked[];

beforeAll(prepareBrowser);
beforeEach(() => {
  rows = [
    { filter_id: 'f1', page: 'activity', name: 'Failed', filters: { outcome: 'failed', range: '2d' } },
    { filter_id: 'f2', page: 'activity', name: 'Red team', filters: { team: 'red' } },
  ];
  asked = fakeGateway(({ verb, address, body }) => {
    const id = address.split('/').at(-1)!;
    if (verb === 'GET') return { filters: rows };
    if (verb === 'DELETE') rows = rows.filter((each) => each.filter_id !== id);
    if (verb === 'PATCH') rows = rows.map((each) => (each.filter_id === id ? { ...each, ...(body as object) } : each));
    if (verb === 'POST') {
      if (rows.some((each) => each.name === (body as Row).name)) return new Error('name: choose another.');
      rows = [...rows, { filter_id: 'f3', ...(body as Omit<Row, 'filter_id'>) }];
    }
    return rows.find((each) => each.filter_id === id) ?? rows.at(-1);
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function open(address: string): Promise<() => Record<string, unknown>> {
  const search = await show(<SavedFilters page="activity" />, { address, may: MAY });
  await waitFor(() => expect(asked).toHaveLength(1));
  await userEvent.click(screen.getByRole('button', { name: /^Saved filters/ }));
  return search;
}

test('applying saved filters puts them in place of those in the address, and the menu then has their name', async () => {
  const search = await open('/?team=blue&page=3');
  expect(asked[0]!.address).toContain('/saved_filters?page=activity');
  await userEvent.click(await screen.findByRole('menuitem', { name: 'Failed' }));
  await waitFor(() => expect(search()).toEqual({ outcome: 'failed', range: '2d' }));
  expect(screen.getByRole('button', { name: 'Saved filters: Failed' })).toBeTruthy();
});

test('the filters in force are saved under a name, without the place on the page', async () => {
  await open('/?outcome=refused&page=3');
  await userEvent.click(await screen.findByRole('menuitem', { name: 'Save these filters…' }));
  await userEvent.type(await screen.findByLabelText(/Name/), 'Refused');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(screen.getByRole('button', { name: 'Saved filters: Refused' })).toBeTruthy());
  expect(asked.find((each) => each.verb === 'POST')!.body).toEqual({ page: 'activity', name: 'Refused', filters: { outcome: 'refused' } });
});

test('a name that is taken is told beside the name', async () => {
  await open('/?outcome=refused');
  await userEvent.click(await screen.findByRole('menuitem', { name: 'Save these filters…' }));
  await userEvent.type(await screen.findByLabelText(/Name/), 'Failed');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/choose another/)).toBeTruthy();
});

test('without filters, and with filters that have a name, there is nothing to save', async () => {
  await open('/?page=3');
  expect((await screen.findByRole('menuitem', { name: 'Save these filters…' })).getAttribute('data-disabled')).toBe('true');
  cleanup();
  asked.length = 0;
  await open('/?team=red');
  expect((await screen.findByRole('menuitem', { name: 'Save these filters…' })).getAttribute('data-disabled')).toBe('true');
});

test('saved filters are renamed and deleted', async () => {
  await open('/');
  await userEvent.click(await screen.findByRole('menuitem', { name: 'Rename or delete…' }));
  const name = await screen.findByLabelText('Name of Failed');
  await userEvent.clear(name);
  await userEvent.type(name, 'All failed');
  await userEvent.click(screen.getByRole('button', { name: 'Rename Failed' }));
  await screen.findByLabelText('Name of All failed');
  await userEvent.click(screen.getByRole('button', { name: 'Delete Red team' }));
  await waitFor(() => expect(screen.queryByLabelText('Name of Red team')).toBeNull());
  expect(rows.map((each) => each.name)).toEqual(['All failed']);
  await userEvent.click(screen.getByRole('button', { name: 'Delete All failed' }));
  await waitFor(() => expect(screen.queryByText('Saved filters', { selector: 'h2' })).toBeNull());
});

test('who may have none sees no menu, and nothing is asked', async () => {
  await show(<SavedFilters page="activity" />);
  expect(screen.queryByRole('button')).toBeNull();
  expect(asked).toEqual([]);
});
