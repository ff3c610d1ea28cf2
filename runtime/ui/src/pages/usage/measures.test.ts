import { expect, test } from 'vitest';
import type { Day } from '@/shared/activity';
import { MEASURES, cell, csvOf, linesOf } from './measures';

const day = (date: string, shares: Record<string, number>): Day => ({ date, metrics: {} as never, breakdown: { model_groups: Object.fromEntries(Object.entries(shares).map(([name, spend]) => [name, { metrics: { spend, api_requests: 1 } }])) } as never });

test('lines sum the days, the dearest first', () => {
  const lines = linesOf([day('2026-11-01', { a: 1, b: 5 }), day('2026-11-02', { a: 2 })], 'model_groups', MEASURES[0]!);
  expect(lines.map((line) => [line.name, line.metrics.spend, line.metrics.api_requests])).toEqual([['b', 5, 1], ['a', 3, 2]]);
});

test('no cell of the file runs as a formula, and commas are quoted', () => {
  expect([cell('=1+1'), cell('a,b'), cell('x"y'), cell(-3)]).toEqual(["'=1+1", '"a,b"', '"x""y"', '-3']);
  expect(csvOf([{ id: 'red', name: '@red', metrics: { spend: 1.5 } as never }], 'team')).toContain("'@red,red,1.5,0,0,0,0,0");
});
