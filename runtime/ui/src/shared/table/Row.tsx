import { Checkbox } from '@mantine/core';
import { type ColumnDef, type Row as TableRow, flexRender } from '@tanstack/react-table';
import { type KeyboardEvent, type ReactNode, type RefObject, memo } from 'react';

export interface RowActions<T> {
  open?: (row: T) => void;
  /** Pick the row, or drop it. */
  pick?: (id: string) => void;
}

interface RowProps<T> {
  row: TableRow<T>;
  /** What the page does with rows: what it is now, whenever it is asked. */
  actions: RefObject<RowActions<T>>;
  columns: readonly ColumnDef<T, unknown>[];
  /** The names of the columns that are shown. */
  shown: string;
  opens: boolean;
  picks: boolean;
  picked: boolean;
  opened: boolean;
  /** The minute in which the page was drawn: cells say how long ago something was. */
  minute: number;
}

/** The keys of a row: `j` and `k` to the next and the one before, Enter opens, `x` picks. */
function move<T>(event: KeyboardEvent<HTMLTableRowElement>, { row, actions, opens, picks }: RowProps<T>): void {
  if (event.target !== event.currentTarget) return;
  const here = event.currentTarget;
  if (event.key === 'j' || event.key === 'ArrowDown') (here.nextElementSibling as HTMLElement | null)?.focus();
  else if (event.key === 'k' || event.key === 'ArrowUp') (here.previousElementSibling as HTMLElement | null)?.focus();
  else if (event.key === 'Enter' && opens) actions.current.open?.(row.original);
  else if (event.key === 'x' && picks) actions.current.pick?.(row.id);
  else return;
  event.preventDefault();
}

function OneRow<T>(props: RowProps<T>): ReactNode {
  const { row, actions, opens, picks, picked, opened } = props;
  return (
    <tr
      tabIndex={0}
      className={`${opens ? 'open' : ''}${opened || picked ? ' on' : ''}`}
      onClick={(event) => {
        if (opens && !(event.target as HTMLElement).closest('a,button,input,label')) actions.current.open?.(row.original);
      }}
      onKeyDown={(event) => move(event, props)}
    >
      {picks && (
        <td className="pick">
          <Checkbox size="xs" aria-label="Select this row" checked={picked} onChange={() => actions.current.pick?.(row.id)} />
        </td>
      )}
      {row.getVisibleCells().map((cell) => (
        <td key={cell.id} className={cell.column.columnDef.meta?.numeric ? 'num' : undefined}>
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </td>
      ))}
    </tr>
  );
}

/** One row. It is drawn anew where it, its columns, its state or the minute have changed, and not whenever its page is. */
export const Row = memo(OneRow) as typeof OneRow;
