import { Checkbox, Skeleton } from '@mantine/core';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { type ColumnDef, type RowData, flexRender, getCoreRowModel, useReactTable } from '@tanstack/react-table';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useLayoutEffect, useRef } from 'react';
import { Failure } from '../states';
import { Row, type RowActions } from './Row';
import { TableTools } from './TableTools';
import { useTableLook } from './look';

declare module '@tanstack/react-table' {
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Whether the column holds numbers, which stand at the right. */
    numeric?: boolean;
    /** The server's name of the column, by which it sorts. */
    sort?: string;
    /** Whether the column is hidden until somebody chooses it. */
    extra?: boolean;
  }
}

export interface Sorting {
  by: string;
  order: 'asc' | 'desc';
}

interface DataTableProps<T> {
  /** By this name the browser remembers the columns and the density. */
  name: string;
  label: string;
  of: UseQueryResult<unknown>;
  rows: readonly T[] | undefined;
  columns: ColumnDef<T, unknown>[];
  id: (row: T) => string;
  onOpen?: (row: T) => void;
  opened?: string;
  sorting?: Sorting;
  onSort?: (sorting: Sorting) => void;
  picked?: ReadonlySet<string>;
  onPick?: (picked: ReadonlySet<string>) => void;
  empty: ReactNode;
  tools?: ReactNode;
  foot?: ReactNode;
  /** Whether the table grows with its rows and has no scroll bar of its own. */
  free?: boolean;
}

const SKELETONS = 10;
/** One array for all renders: the table takes another for new data, and renders again without end. */
const NONE: never[] = [];

/** Every table: chosen columns, density, sorting by the server, a sticky head, rows by keyboard, selection. */
export function DataTable<T>(props: DataTableProps<T>): ReactNode {
  const { rows, columns, id, onOpen, sorting, onSort, picked, onPick } = props;
  const look = useTableLook(props.name, columns);
  const table = useReactTable({
    data: (rows ?? NONE) as T[],
    columns,
    getCoreRowModel: getCoreRowModel(),
    getRowId: id,
    state: { columnVisibility: look.visible },
    manualSorting: true,
    autoResetPageIndex: false, // the server has the pages
  });

  function toggle(key: string): void {
    const next = new Set(picked);
    if (!next.delete(key)) next.add(key);
    onPick?.(next);
  }

  const actions = useRef<RowActions<T>>({});
  useLayoutEffect(() => {
    actions.current = { open: onOpen, pick: onPick && toggle };
  });
  const names = table.getVisibleLeafColumns().map((column) => column.id).join(' ');
  const minute = Math.floor(Date.now() / 60_000);
  const shown = table.getVisibleLeafColumns().length + (onPick ? 1 : 0);
  const all = rows !== undefined && rows.length > 0 && rows.every((row) => picked?.has(id(row)));
  const waits = rows === undefined && !props.of.isError;
  if (props.of.isError && (rows === undefined || props.of.isPlaceholderData)) {
    return <Failure error={props.of.error} retry={() => void props.of.refetch()} />;
  }
  return (
    <div className="stack" style={{ gap: 10 }}>
      <TableTools look={look} columns={columns}>{props.tools}</TableTools>
      <div className="table-frame">
        <div className={`table-scroll${props.free ? ' free' : ''}`} role="region" aria-label={props.label} tabIndex={0}>
          <table className={`grid${look.roomy ? ' roomy' : ''}`} aria-label={props.label} aria-busy={waits}>
            <thead>
              {table.getHeaderGroups().map((group) => (
                <tr key={group.id}>
                  {onPick && (
                    <th className="pick">
                      <Checkbox size="xs" aria-label="Select all rows" checked={all} onChange={() => onPick(all ? new Set() : new Set(rows?.map(id)))} />
                    </th>
                  )}
                  {group.headers.map((header) => {
                    const meta = header.column.columnDef.meta;
                    const by = onSort ? meta?.sort : undefined;
                    const sorted = by !== undefined && sorting?.by === by;
                    const text = flexRender(header.column.columnDef.header, header.getContext());
                    return (
                      <th key={header.id} scope="col" className={meta?.numeric ? 'num' : undefined} aria-sort={sorted ? (sorting?.order === 'asc' ? 'ascending' : 'descending') : undefined}>
                        {by === undefined ? (
                          text
                        ) : (
                          <button type="button" onClick={() => onSort?.({ by, order: sorted && sorting?.order === 'desc' ? 'asc' : 'desc' })}>
                            {text}
                            {sorted && (sorting?.order === 'asc' ? <IconArrowUp aria-hidden /> : <IconArrowDown aria-hidden />)}
                          </button>
                        )}
                      </th>
                    );
                  })}
                </tr>
              ))}
            </thead>
            <tbody>
              {waits &&
                Array.from({ length: SKELETONS }, (_, n) => (
                  <tr key={n}>
                    {Array.from({ length: shown }, (_, m) => (
                      <td key={m}>
                        <Skeleton height={12} width={m === 0 ? 90 : '70%'} />
                      </td>
                    ))}
                  </tr>
                ))}
              {table.getRowModel().rows.map((row) => (
                <Row key={row.id} row={row} actions={actions} columns={columns} shown={names} opens={onOpen !== undefined} picks={onPick !== undefined} picked={picked?.has(row.id) ?? false} opened={props.opened === row.id} minute={minute} />
              ))}
            </tbody>
          </table>
          {rows?.length === 0 && props.empty}
        </div>
        {props.foot && <div className="table-foot">{props.foot}</div>}
      </div>
    </div>
  );
}
