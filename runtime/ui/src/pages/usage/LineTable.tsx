import { Button } from '@mantine/core';
import type { ColumnDef } from '@tanstack/react-table';
import { type UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useMemo, useState } from 'react';
import { count, duration, money, percent } from '@/shared/format';
import type { Timed } from '@/shared/latency';
import { DataTable, type Sorting } from '@/shared/table/DataTable';
import type { Line, Measure } from './measures';

interface LineTableProps {
  lines: readonly Line[];
  measure: Measure;
  total: number;
  word: string;
  /** The percentiles of each name, where they are kept. */
  timed: ReadonlyMap<string, Timed>;
  onRows: (id: string) => void;
  onInto?: (id: string) => void;
}

/** How many keys, users, teams and so on a report lists. */
const LISTED = 100;
const READY = { isError: false } as UseQueryResult<unknown>;

const NUMBERS: Record<string, (line: Line) => number> = {
  cost: ({ metrics }) => Number(metrics.spend ?? 0),
  requests: ({ metrics }) => metrics.api_requests ?? 0,
  errors: ({ metrics }) => metrics.failed_requests ?? 0,
  input: ({ metrics }) => metrics.prompt_tokens ?? 0,
  output: ({ metrics }) => metrics.completion_tokens ?? 0,
};

/** A line for each name with its share; a click goes further into it, or to its rows. */
export function LineTable({ lines, measure, total, word, timed, onRows, onInto }: LineTableProps): ReactNode {
  const [sorting, setSorting] = useState<Sorting>({ by: measure.value, order: 'desc' });
  const columns = useMemo<ColumnDef<Line, unknown>[]>(() => {
    const number = (id: string, header: string, shown: (line: Line) => ReactNode): ColumnDef<Line, unknown> => ({ id, header, meta: { numeric: true, sort: id }, cell: ({ row }) => shown(row.original) });
    return [
      { id: 'name', header: word.charAt(0).toUpperCase() + word.slice(1), cell: ({ row }) => <span title={row.original.id}>{row.original.name}</span> },
      {
        id: 'share',
        header: 'Share',
        cell: ({ row }) => {
          const part = measure.adds && total ? (measure.of(row.original.metrics) ?? 0) / total : null;
          return part === null ? '' : (
            <span style={{ display: 'inline-grid', gridTemplateColumns: '90px auto', gap: 8, alignItems: 'center' }}>
              <span className="meter"><i style={{ width: `${Math.min(100, part * 100)}%` }} /></span>
              <span className="dim">{percent(part)}</span>
            </span>
          );
        },
      },
      number('cost', 'Cost', (line) => money(NUMBERS.cost!(line))),
      number('requests', 'Requests', (line) => count(NUMBERS.requests!(line))),
      number('errors', 'Not answered', (line) => count(NUMBERS.errors!(line))),
      number('input', 'Tokens in', (line) => count(NUMBERS.input!(line))),
      number('output', 'Tokens out', (line) => count(NUMBERS.output!(line))),
      number('p50', 'p50', (line) => duration(timed.get(line.id)?.duration_ms.p50)),
      number('latency', 'p95', (line) => duration(timed.get(line.id)?.duration_ms.p95)),
      { id: 'rows', header: '', meta: { numeric: true }, cell: ({ row }) => <Button size="compact-xs" variant="subtle" onClick={() => onRows(row.original.id)}>Requests</Button> },
    ];
  }, [measure, total, word, timed, onRows]);
  const times: Record<string, (line: Line) => number> = { p50: (line) => timed.get(line.id)?.duration_ms.p50 ?? 0, latency: (line) => timed.get(line.id)?.duration_ms.p95 ?? 0 };
  const by = NUMBERS[sorting.by] ?? times[sorting.by];
  const sorted = by ? [...lines].sort((a, b) => (sorting.order === 'desc' ? by(b) - by(a) : by(a) - by(b))) : lines;
  return <DataTable name="usage" label={`Usage by ${word}`} of={READY} rows={sorted} columns={columns} id={(line) => line.id || 'none'} onOpen={onInto ? (line) => onInto(line.id) : undefined} sorting={sorting} onSort={setSorting} empty={null} foot={lines.length >= LISTED && <span>the {count(LISTED)} with the highest cost; the total above counts all</span>} free />;
}
