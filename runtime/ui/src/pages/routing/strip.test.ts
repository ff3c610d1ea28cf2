import { expect, test } from 'vitest';
import { type Check, stripsOf, wordsOf } from './strip';

const NOW = Date.parse('2026-11-30T12:00:00Z');

function check(minutesAgo: number, more: object = {}): Check {
  return { model_id: 'd1', status: 'healthy', checked_at: new Date(NOW - minutesAgo * 60_000).toISOString(), error_message: null, ...more } as unknown as Check;
}

const FAILED = { status: 'unhealthy', error_message: '503 from the host' };

test('each deployment has an hour of cells, with its checks where they were made', () => {
  const strips = stripsOf([check(1), check(2, FAILED), check(58), check(61), check(3, { model_id: 'd2' })], true, NOW);
  expect(strips.of('d2')!.map((each) => each.made)).toEqual([...Array<number>(11).fill(0), 1]);
  expect(strips.of('d3')).toBeUndefined();
  const cells = strips.of('d1')!;
  expect(cells.map((each) => each.made)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
  expect([cells[11]!.failed, cells[11]!.error, cells[0]!.failed]).toEqual([1, '503 from the host', 0]);
  expect(cells[11]!.to).toBe(NOW);
  expect(wordsOf(cells)).toBe('1 of 3 checks failed in the last hour');
});

test('before the oldest check that was read nothing is known, unless there are no others', () => {
  const part = stripsOf([check(1), check(33)], false, NOW).of('d1')!;
  expect(part.map((each) => each.known)).toEqual([...Array<boolean>(5).fill(false), true, ...Array<boolean>(6).fill(true)]);
  expect(stripsOf([check(1)], true, NOW).of('d1')!.every((each) => each.known)).toBe(true);
});

test('an hour says in words what it shows', () => {
  expect(wordsOf(stripsOf([check(1), check(2)], true, NOW).of('d1')!)).toBe('2 of 2 checks ok in the last hour');
  expect(wordsOf(stripsOf([check(90)], true, NOW).of('d1')!)).toBe('no check in the last hour');
});

test('a check that another clock puts after now is in the newest cell', () => {
  expect(stripsOf([check(-3)], true, NOW).of('d1')!.map((each) => each.made)).toEqual([...Array<number>(11).fill(0), 1]);
});

test('a deployment without a check is not called unchecked where older checks were not read', () => {
  const cells = stripsOf([check(1), check(33)], false, NOW).of('d3')!;
  expect(cells.map((each) => each.known)).toEqual([...Array<boolean>(6).fill(false), ...Array<boolean>(6).fill(true)]);
  expect(wordsOf(cells)).toBe('no check in the part of the last hour that was read');
});
