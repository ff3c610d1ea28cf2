import { afterEach, expect, test } from 'vitest';
import { gatewayTime, hearClock } from './clock';

const SERVER = Date.parse('2026-11-30T12:00:00Z');
const DATE = 'Mon, 30 Nov 2026 12:00:00 GMT';

afterEach(() => hearClock(new Date(0).toUTCString(), 0));

test('the time is the gateway’s, whether the browser is behind or ahead', () => {
  hearClock(DATE, SERVER - 3_600_000);
  expect(gatewayTime(SERVER - 3_600_000)).toBe(SERVER);
  hearClock(DATE, SERVER + 90_000);
  expect(gatewayTime(SERVER + 95_000)).toBe(SERVER + 5_000);
});

test('an answer without a time that can be read changes nothing', () => {
  hearClock(DATE, SERVER - 1_000);
  hearClock(null, SERVER);
  hearClock('yesterday', SERVER);
  expect(gatewayTime(SERVER)).toBe(SERVER + 1_000);
});
