import { cleanup, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { fakeGateway, prepareBrowser, show } from '@/testing/show';
import { KeyPermissions, UserPermissions } from './PermissionsCard';

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const RUTH = {
  roles: [{ role: 'internal_user', because: 'user' }, { role: 'team_admin', because: 'admin of the team red' }],
  may: [{ access: 'keys_write', reaches: ['team', 'mine'], because: ['internal_user', 'team_admin'] }],
  opened: { '/key/generate': ['blue'] },
  routes: ['llm_api_routes'],
  models: [
    { team_id: null, refusal: 'The user is blocked.' },
    {
      team_id: 'red',
      models: [{ id: 'gpt-4', because: 'team: the list has gpt-4' }],
      denied: [{ id: 'claude', because: 'team: the list has gpt-4 alone' }],
      budgets: [{ level: 'team', of: 'red', max_budget: 25, duration: '30d', model: null }],
      limits: [{ level: 'key', of: 'k1', meter: 'requests_per_minute', limit: 60, model: 'gpt-4' }],
    },
    { team_id: 'empty', models: [], denied: [] },
  ],
};

test('each model says whether one may use it, with which keys, and why', async () => {
  const asked = fakeGateway(() => RUTH);
  await show(<UserPermissions id="ruth" />);
  const may = (await screen.findByText('gpt-4')).closest('tr')!;
  expect(within(may).getByText('may')).toBeTruthy();
  expect(within(may).getByText('team: the list has gpt-4')).toBeTruthy();
  expect(within(screen.getByText('claude').closest('tr')!).getByText('may not')).toBeTruthy();
  expect(screen.getByText('with keys of the team red')).toBeTruthy();
  expect(screen.getByText('with keys of no team').parentElement!.textContent).toContain('The user is blocked.');
  expect(screen.getByText('with keys of the team empty').parentElement!.textContent).toContain('There are no models.');
  expect(asked[0]!.address).toContain('/user/permissions?user_id=ruth');
});

test('roles, access and opened paths have their reasons', async () => {
  fakeGateway(() => RUTH);
  await show(<KeyPermissions token="abc" />);
  await userEvent.click(await screen.findByRole('tab', { name: 'Roles and access' }));
  expect(within((await screen.findByText('Team admin')).closest('tr')!).getByText('admin of the team red')).toBeTruthy();
  const access = screen.getByText('keys write').closest('tr')!;
  expect(access.textContent).toContain('team, mine');
  expect(access.textContent).toContain('internal_user; team_admin');
  expect(screen.getByText('/key/generate').closest('tr')!.textContent).toContain('opened to members by blue');
  expect(screen.getByText(/This key is for llm_api_routes alone/)).toBeTruthy();
});

test('budgets and limits say over what they are, and where there are none this is said', async () => {
  const asked = fakeGateway(() => RUTH);
  await show(<KeyPermissions token="abc" />);
  await userEvent.click(await screen.findByRole('tab', { name: 'Budgets and limits' }));
  expect((await screen.findByText('team red')).closest('tr')!.textContent).toContain('$25');
  expect(screen.getByText('team red').closest('tr')!.textContent).toContain('each 30d');
  expect(screen.getByText('key k1').closest('tr')!.textContent).toContain('60 requests per minute for gpt-4');
  expect(screen.getByText('with keys of the team empty').parentElement!.textContent).toContain('No budget and no limit.');
  expect(asked[0]!.address).toContain('/key/permissions?key=abc');
});

test('a failure can be tried again', async () => {
  let answers: unknown = new Error('Postgres is away');
  fakeGateway(() => answers);
  await show(<UserPermissions id="ruth" />);
  expect((await screen.findByRole('alert')).textContent).toContain('Postgres is away');
  answers = RUTH;
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await waitFor(() => expect(screen.getByText('gpt-4')).toBeTruthy());
});
