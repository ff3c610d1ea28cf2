import { expect, test } from 'vitest';
import { type Timed, latencyQuery, seriesByGroup, stepsOf, timeline } from './latency';

const PERIOD = { start_date: '2026-11-29', end_date: '2026-11-30', days: 2 };
const timed = (at: string, group: string, p95: number, calls = 1): Timed => ({ at, group, name: null, duration_ms: { calls, p50: 1, p95, p99: p95 }, ttft_ms: { calls: 0, p50: null, p95: null, p99: null } });

test('the hours of a period end with the hour under way', () => {
  const steps = stepsOf(PERIOD, 'hour', new Date('2026-11-30T02:30:00Z'));
  expect([steps.length, steps[0], steps.at(-1)]).toEqual([27, '2026-11-29T00', '2026-11-30T02']);
  expect(stepsOf(PERIOD, 'day')).toEqual(['2026-11-29', '2026-11-30']);
});

test('a step without a timed call is a gap', () => {
  expect(timeline([timed('2026-11-30', '', 40)], ['2026-11-29', '2026-11-30'], (each) => each.duration_ms.p95)).toEqual([null, 40]);
});

test('groups with the most calls come first, and a call without a value is called none', () => {
  const found = [timed('2026-11-29', 'few', 1), timed('2026-11-29', '', 2, 5), timed('2026-11-30', '', 3, 5)];
  expect(seriesByGroup(found, ['2026-11-29', '2026-11-30'], 1, (each) => each.duration_ms.p95)).toEqual([{ name: 'none', values: [2, 3] }]);
});

test('a scope is a filter of the report', () => {
  const asked = (scope: string): unknown => latencyQuery({ period: PERIOD, step: 'day', scope }, 'ada');
  expect(asked('me')).toMatchObject({ user_id: 'ada', team_id: undefined });
  expect(asked('team:red')).toMatchObject({ user_id: undefined, team_id: 'red' });
});
