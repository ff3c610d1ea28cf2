import { cleanup, screen, within } from '@testing-library/react';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { fakeGateway, prepareBrowser, show } from '@/testing/show';
import { BudgetsOver } from './BudgetsOver';

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const TEAM = { of: 'team', subject: 'team red', max_budget: 50, duration: '30d', window_start: '2026-11-01T00:00:00Z', window_end: '2026-12-01T00:00:00Z', before: 39.5, after: 40.25, at_least: false, untold: null };

test('each budget is told before the request and with it', async () => {
  const asked = fakeGateway(() => ({ request_id: 'req-1', spend: 0.75, budgets: [TEAM, { ...TEAM, subject: 'key ci', duration: null, at_least: true }], hidden: 1, unknown: null }));
  await show(<BudgetsOver id="req-1" />);
  const row = (await screen.findByText('team red')).closest('tr')!;
  expect(within(row).getAllByRole('cell').map((cell) => cell.textContent?.trim())).toEqual(['team red each 30d', '$39.50', '$40.25', '$50.00', '']);
  within(row).getByRole('img', { name: '81 %' });
  const key = screen.getByText('key ci').closest('tr')!;
  expect(key.textContent).toContain('never resets');
  expect(key.textContent).toContain('≥ $39.50');
  screen.getByText(/1 further budget over this request you may not see/);
  expect(asked.map((each) => each.address)).toEqual([expect.stringContaining('/spend/logs/ui/req-1/budgets')]);
});

test('what is not told says why, and a key that is gone is said so', async () => {
  fakeGateway(() => ({ request_id: 'req-1', spend: 1, budgets: [{ ...TEAM, before: null, after: null, untold: 'that day has too many calls to add up' }], hidden: 0, unknown: 'The key is gone.' }));
  await show(<BudgetsOver id="req-1" />);
  await screen.findByText('not told: that day has too many calls to add up');
  screen.getByText('The key is gone.');
});

test('without a budget the page says so', async () => {
  fakeGateway(() => ({ request_id: 'req-1', spend: 1, budgets: [], hidden: 0, unknown: null }));
  await show(<BudgetsOver id="req-1" />);
  await screen.findByText('No budget is over a request like this one.');
});
