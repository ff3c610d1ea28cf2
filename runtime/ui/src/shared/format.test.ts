import { describe, expect, test } from 'vitest';
import { bytes, clock, cut, duration, moment, money, plural, relative } from './format';

describe('money', () => {
  test.each([
    [0, '$0'],
    [12.3456, '$12.35'],
    [1284.5, '$1,284.50'],
    [0.5, '$0.50'],
    [0.021136, '$0.021'],
    [0.0003, '$0.0003'],
    [0.00000891, '$0.0000089'],
    [-38.92, '−$38.92'],
    ['0.25', '$0.25'],
    [null, '–'],
    [Number.NaN, '–'],
  ])('%s is %s', (amount, shown) => expect(money(amount)).toBe(shown));

  test('shows every digit where it is exact', () => expect(money(0.000000001, { exact: true })).toBe('$0.000000001'));
});

test.each([
  [3, '3 ms'],
  [410, '0.41 s'],
  [11_400, '11.4 s'],
  [125_000, '2 min 5 s'],
])('%d milliseconds are %s', (ms, shown) => expect(duration(ms)).toBe(shown));

test('a time without a zone is UTC', () => {
  expect(moment('2026-11-30T14:52:08').toISOString()).toBe('2026-11-30T14:52:08.000Z');
  expect(moment('2026-11-30T14:52:08+01:00').toISOString()).toBe('2026-11-30T13:52:08.000Z');
});

test.each([
  ['2026-11-30T11:59:50Z', 'moments ago'],
  ['2026-11-30T11:56:00Z', '4 min ago'],
  ['2026-11-30T15:00:00Z', 'in 3 h'],
  ['2026-11-27T12:00:00Z', '3 d ago'],
])('%s is %s', (at, told) => expect(relative(at, Date.parse('2026-11-30T12:00:00Z'))).toBe(told));

test('a clock shows the day where it is not today', () => {
  const now = new Date(2026, 10, 30, 12);
  expect(clock(new Date(2026, 10, 30, 9, 5).toISOString(), now)).not.toContain('Nov');
  expect(clock(new Date(2026, 10, 29, 9, 5).toISOString(), now)).toContain('29');
});

test('ids are cut in the middle, short ones not at all', () => {
  expect(cut('0193b0c2-1111-7aaa-8bbb-0123456789ab')).toBe('0193b…789ab');
  expect(cut('demo-7')).toBe('demo-7');
});

test('counts and sizes have their words', () => {
  expect([plural(1, 'key'), plural(3, 'key')]).toEqual(['1 key', '3 keys']);
  expect([bytes(999), bytes(4_700_000_000)]).toEqual(['999 B', '4.7 GB']);
});
