import { expect, test } from 'vitest';
import { type Progress, progressIn, shareOf } from './pull';

test('events come one by one, and half of one waits for the rest', () => {
  const { found, rest } = progressIn('data: {"status":"pulling"}\n\n: ping\n\ndata: {"status":"x","digest":"a","total":10,"completed":4}\n\ndata: {"sta');
  expect(found.map((each) => each.status)).toEqual(['pulling', 'x']);
  expect(rest).toBe('data: {"sta');
});

test('a pull that breaks off throws what the gateway says', () => {
  expect(() => progressIn('data: {"error":{"message":"no room"}}\n\n')).toThrow('no room');
});

test('the share is of all layers that are known', () => {
  const layers = new Map<string, Progress>([['a', { status: '', total: 30, completed: 30 }], ['b', { status: '', total: 70, completed: 20 }]]);
  expect(shareOf(layers)).toBe(0.5);
  expect(shareOf(new Map())).toBeNull();
});
