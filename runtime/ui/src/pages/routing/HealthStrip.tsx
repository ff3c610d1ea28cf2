import type { ReactNode } from 'react';
import { type Cell, wordsOf } from './strip';
import './strip.css';

/** The checks of the last hour, five minutes a cell, oldest at the left. A failed cell is marked by its height too, not by colour alone. */
export function HealthStrip({ cells }: { cells: readonly Cell[] }): ReactNode {
  return (
    <span className="strip" role="img" aria-label={wordsOf(cells)}>
      {cells.map((each) => (
        <i key={each.from} className={toneOf(each)} title={titleOf(each)} />
      ))}
    </span>
  );
}

function toneOf(cell: Cell): string {
  if (!cell.known) return 'unknown';
  if (cell.made === 0) return '';
  if (cell.failed === 0) return 'ok';
  return cell.failed < cell.made ? 'warn' : 'bad';
}

function titleOf(cell: Cell): string {
  const time = new Date(cell.from).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (!cell.known) return `${time}: not read`;
  if (cell.made === 0) return `${time}: no check`;
  return cell.failed === 0 ? `${time}: ok` : `${time}: ${cell.failed} of ${cell.made} failed${cell.error ? `, ${cell.error}` : ''}`;
}
