import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { HealthStrip } from './HealthStrip';
import type { Cell } from './strip';

afterEach(cleanup);

function cell(number: number, more: Partial<Cell> = {}): Cell {
  return { from: number, to: number + 1, made: 2, failed: 0, error: null, known: true, ...more };
}

test('a cell says whether all, some or none of its checks failed, and where nothing is known', () => {
  render(<HealthStrip cells={[cell(1), cell(2, { failed: 1 }), cell(3, { failed: 2, error: '503 from the host' }), cell(4, { made: 0 }), cell(5, { made: 0, known: false })]} />);
  const strip = screen.getByRole('img', { name: '3 of 6 checks failed in the part of the last hour that was read' });
  const cells = [...strip.querySelectorAll('i')];
  expect(cells.map((each) => each.className)).toEqual(['ok', 'warn', 'bad', '', 'unknown']);
  expect(cells.map((each) => each.title.split(': ').slice(1).join(': '))).toEqual(['ok', '1 of 2 failed', '2 of 2 failed, 503 from the host', 'no check', 'not read']);
});
