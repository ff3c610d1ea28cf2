import { cleanup, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { hearClock } from '@/api/clock';
import { fakeGateway, prepareBrowser, show } from '@/testing/show';
import Routing from './Routing';

const NEVER = new Promise<unknown>(() => undefined);
const DEPLOYMENTS = ['d1', 'd2'].map((id) => ({ model_name: id, litellm_params: { model: `openai/${id}` }, model_info: { id, health: { state: 'healthy' } } }));

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  hearClock(new Date().toUTCString());
});

function checksAt(...times: number[]): object {
  return { health_checks: times.map((at) => ({ model_id: 'd1', status: 'healthy', checked_at: new Date(at).toISOString(), error_message: null })), total_records: times.length };
}

/** The page, with what the gateway answers about health checks. `date` is the gateway's own time. */
async function routing(history: () => unknown, latest: () => unknown = () => ({ latest_health_checks: {} }), date?: Date): Promise<void> {
  fakeGateway(({ address }) => {
    if (address.includes('/health/history')) return history();
    if (address.includes('/health/latest')) return latest();
    if (address.includes('/model/info')) return { data: DEPLOYMENTS };
    if (address.includes('/v1/models')) return { data: [] };
    if (address.includes('/spend/latency')) return { results: [] };
    return { results: [], metadata: { has_more: false } };
  }, date);
  await show(<Routing />);
  await screen.findByText('openai/d1');
}

function rowOf(id: string): HTMLElement {
  return screen.getByText(`openai/${id}`).closest('tr')!;
}

test('while the checks are on their way, a row waits and says nothing of them', async () => {
  await routing(() => NEVER, () => NEVER);
  expect(within(rowOf('d1')).getAllByRole('status', { name: 'Loading' })).toHaveLength(2);
  expect(screen.queryByText('no checks')).toBeNull();
  expect(screen.queryByText('none')).toBeNull();
});

test('checks that could not be read are told once, and are read again when asked', async () => {
  let answers: () => unknown = () => new Error('the database is away');
  await routing(() => answers(), () => answers());
  await waitFor(() => expect(within(rowOf('d1')).getAllByText('not read')).toHaveLength(2));
  expect(screen.getAllByText('the database is away')).toHaveLength(1);
  expect(screen.queryByText('no checks')).toBeNull();
  answers = () => ({ ...checksAt(Date.now()), latest_health_checks: {} });
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await within(rowOf('d1')).findByRole('img', { name: '1 of 1 checks ok in the last hour' });
  expect(within(rowOf('d1')).getByText('none')).toBeTruthy();
  expect(within(rowOf('d2')).getByText('no checks')).toBeTruthy();
  expect(screen.queryByText('the database is away')).toBeNull();
});

test('an hour of checks is the gateway’s hour, also where the browser is hours behind or ahead', async () => {
  for (const aheadMs of [-5 * 3_600_000, 5 * 3_600_000]) {
    const gateway = Date.now() + aheadMs;
    await routing(() => checksAt(gateway - 60_000, gateway - 50 * 60_000, gateway - 70 * 60_000), undefined, new Date(gateway));
    await within(rowOf('d1')).findByRole('img', { name: '2 of 2 checks ok in the last hour' });
    cleanup();
  }
});
