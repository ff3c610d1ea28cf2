import { expect, test } from 'vitest';
import { type Check, stripsOf, wordsOf } from './strip';

const NOW = Date.parse('2026-11-30T12:00:00Z');

function check(minutesAgo: number, more: object = {}): Check {
  return { model_id: 'd1', status: 'healthy', checked_at: new Date(NOW - minutesAgo * 60_000).toISOString(), error_message: null, ...more } as unknown as Check;
}

const FAILED = { status: 'unhealthy', error_message: '503 from the host' };

test('each deployment has an hour of cells, with its checks where they were made', () => {
  const strips = stripsOf([check(1), check(2, FAILED), check(58), check(61), check(3, { model_id: 'd2' })], true, NOW);
  expect([...strips.keys()]).toEqual(['d1', 'd2']);
  const cells = strips.get('d1')!;
  expect(cells.map((each) => each.made)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
  expect([cells[11]!.failed, cells[11]!.error, cells[0]!.failed]).toEqual([1, '503 from the host', 0]);
  expect(cells[11]!.to).toBe(NOW);
  expect(wordsOf(cells)).toBe('1 of 3 checks failed in the last hour');
});

test('before the oldest check that was read nothing is known, unless there are no others', () => {
  const part = stripsOf([check(1), check(33)], false, NOW).get('d1')!;
  expect(part.map((each) => each.known)).toEqual([...Array<boolean>(5).fill(false), true, ...Array<boolean>(6).fill(true)]);
  expect(stripsOf([check(1)], true, NOW).get('d1')!.every((each) => each.known)).toBe(true);
});

test('an hour says in words what it shows', () => {
  expect(wordsOf(stripsOf([check(1), check(2)], true, NOW).get('d1')!)).toBe('2 of 2 checks ok in the last hour');
  expect(wordsOf(stripsOf([check(90)], true, NOW).get('d1')!)).toBe('no check in the last hour');
});
