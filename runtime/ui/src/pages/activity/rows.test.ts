import { expect, test } from 'vitest';
import { type LogRow, attemptsOf, costLines, firstTokenOf, logQuery, newer, rateOf, heldInWords } from './rows';

const ROW = {
  request_id: 'r1',
  outcome: 'ok',
  spend: 0.021136,
  prompt_tokens: 9120,
  completion_tokens: 1204,
  cached_tokens: 2048,
  cache_write_tokens: 0,
  reasoning_tokens: 224,
  startTime: '2026-11-30T12:00:00Z',
  completionStartTime: '2026-11-30T12:00:00.620Z',
  metadata: {
    usage_object: { prompt_tokens: 9120, completion_tokens: 1204, total_tokens: 10324, cache_read_input_tokens: 2048 },
    cost_breakdown: {
      input_cost: '0.009096', output_cost: '0.012040', tool_usage_cost: '0', total_cost: '0.021136',
      cache_read_cost: '0.000256', cache_creation_cost: '0', reasoning_cost: '0.002240', additional_costs: {},
    },
    route: { retries: 1, fallbacks: 1 },
  },
} as unknown as LogRow;

test('the lines of a cost add up to it, to the last digit', () => {
  const lines = costLines(ROW);
  expect(lines.map((line) => line.name)).toEqual(['Input', 'Input, cached', 'Output', 'Reasoning']);
  expect(lines.reduce((sum, line) => sum + line.amount, 0)).toBeCloseTo(Number(ROW.spend), 9);
  expect(lines.map((line) => line.tokens)).toEqual([7072, 2048, 980, 224]);
});

test('a rate is the amount for a million tokens', () => {
  expect(costLines(ROW).map((line) => rateOf(line)?.toFixed(3))).toEqual(['1.250', '0.125', '10.000', '10.000']);
});

test('attempts count retries and fallbacks; a refused call had none', () => {
  expect(attemptsOf(ROW)).toBe(3);
  expect(attemptsOf({ ...ROW, outcome: 'refused' })).toBe(0);
  expect(firstTokenOf(ROW)).toBe(620);
});

test('new rows are counted up to the first that is shown', () => {
  const rows = ['a', 'b', 'c'].map((request_id) => ({ ...ROW, request_id }));
  const fresh = [{ ...ROW, request_id: 'x' }, { ...ROW, request_id: 'y' }, ...rows];
  expect(newer(fresh, rows)).toBe(2);
  expect(newer(rows, rows)).toBe(0);
  expect(newer(fresh.slice(0, 2), rows)).toBe(2);
});

test('a day in the filters is asked for alone', () => {
  expect(logQuery({ day: '2026-11-03', outcome: 'failed', team: 'red' })).toMatchObject({ start_date: '2026-11-03', end_date: '2026-11-03', outcome: 'failed', team_id: 'red' });
});

test('what was held is told with what was given back, or with what the request cost beyond it', () => {
  expect(heldInWords(0.02, '0.005')).toBe('$0.020000 was held of each budget before the request was sent, and $0.015000 of it was given back.');
  expect(heldInWords('0.02', 0.03)).toContain('It cost $0.010000 more');
});
