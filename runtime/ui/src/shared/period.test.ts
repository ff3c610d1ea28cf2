import { expect, test } from 'vitest';
import { before, daysOf, forecast, periodOf } from './period';

const NOW = new Date('2026-11-20T15:00:00Z');

test.each([
  ['7d', '2026-11-14', 7],
  ['30d', '2026-10-22', 30],
  ['month', '2026-11-01', 20],
  ['2d', '2026-11-19', 2],
  ['nonsense', '2026-10-22', 30],
])('%s begins on %s and has %d days', (range, first, days) => {
  expect(periodOf(range, NOW)).toEqual({ start_date: first, end_date: '2026-11-20', days });
});

test('the period before ends the day before', () => {
  expect(before(periodOf('7d', NOW))).toEqual({ start_date: '2026-11-07', end_date: '2026-11-13', days: 7 });
});

test('days without a call are there too', () => {
  expect(daysOf(periodOf('7d', NOW))).toHaveLength(7);
  expect(daysOf(periodOf('7d', NOW)).at(-1)).toBe('2026-11-20');
});

test('the forecast is what is spent, and the mean of seven whole days for each day left', () => {
  const spent = Object.fromEntries(daysOf(periodOf('month', NOW)).map((day) => [day, 10]));
  expect(forecast({ ...spent, '2026-11-20': 4 }, NOW)).toBeCloseTo(190 + 4 + 6 + 10 * 10);
  expect(forecast({}, NOW)).toBeNull();
});

test('a day that went over the mean is not made smaller', () => {
  const spent = Object.fromEntries(daysOf(periodOf('month', NOW)).map((day) => [day, 1]));
  expect(forecast({ ...spent, '2026-11-20': 50 }, NOW)).toBeCloseTo(19 + 50 + 10);
});
