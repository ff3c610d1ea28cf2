import type { Schemas } from '@/api/client';

export type Check = Schemas['CheckRecord'];

export interface Cell {
  /** When the cell begins and ends, in milliseconds since 1970. */
  from: number;
  to: number;
  /** How many checks were made, and how many of them failed. */
  made: number;
  failed: number;
  error: string | null;
  /** Whether the checks of this time are known at all. */
  known: boolean;
}

export const CELLS = 12;
const CELL_MS = 5 * 60_000;

export interface Strips {
  /** A deployment's hour. Undefined where the deployment was never checked. */
  of: (id: string) => Cell[] | undefined;
}

/**
 * The last hour of each deployment in cells of five minutes, oldest first. `checks` are the newest of all deployments; `whole` says
 * that there are no older ones. Otherwise nothing is known of the time before the oldest check. `now` is the gateway's time; a
 * check that another machine's clock puts after it belongs to the newest cell.
 */
export function stripsOf(checks: readonly Check[], whole: boolean, now: number): Strips {
  const oldest = Math.min(...checks.map((each) => Date.parse(each.checked_at)));
  const begin = now - CELLS * CELL_MS;
  const fresh = (): Cell[] => Array.from({ length: CELLS }, (_, n) => cellAt(begin + n * CELL_MS, whole || begin + n * CELL_MS >= oldest));
  const strips = new Map<string, Cell[]>();
  for (const check of checks) {
    const id = check.model_id ?? '';
    if (!strips.has(id)) strips.set(id, fresh());
    const cell = strips.get(id)![Math.min(Math.floor((Date.parse(check.checked_at) - begin) / CELL_MS), CELLS - 1)];
    if (cell === undefined) continue;
    cell.made += 1;
    cell.known = true;
    if (check.status !== 'healthy') {
      cell.failed += 1;
      cell.error ??= check.error_message;
    }
  }
  return { of: (id) => strips.get(id) ?? (whole ? undefined : fresh()) };
}

function cellAt(from: number, known: boolean): Cell {
  return { from, to: from + CELL_MS, made: 0, failed: 0, error: null, known };
}

/** What a strip says in words. */
export function wordsOf(cells: readonly Cell[]): string {
  const made = cells.reduce((sum, each) => sum + each.made, 0);
  const failed = cells.reduce((sum, each) => sum + each.failed, 0);
  const time = cells.every((each) => each.known) ? 'in the last hour' : 'in the part of the last hour that was read';
  if (made === 0) return `no check ${time}`;
  return failed === 0 ? `${made} of ${made} checks ok ${time}` : `${failed} of ${made} checks failed ${time}`;
}
