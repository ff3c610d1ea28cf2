import type { ColumnDef } from '@tanstack/react-table';
import { useState } from 'react';

interface Kept {
  columns?: Record<string, boolean>;
  roomy?: boolean;
}

export interface TableLook {
  visible: Record<string, boolean>;
  roomy: boolean;
  show: (column: string, visible: boolean) => void;
  setRoomy: (roomy: boolean) => void;
}

function stored(name: string): Kept {
  try {
    return JSON.parse(localStorage.getItem(`table.${name}`) ?? '{}') as Kept;
  } catch {
    return {};
  }
}

/** The name of a column. */
export function columnName<T>(column: ColumnDef<T, unknown>): string {
  return column.id ?? ('accessorKey' in column ? String(column.accessorKey) : '');
}

/** Which columns a table shows, and how dense it is. The browser remembers both. */
export function useTableLook<T>(name: string, columns: readonly ColumnDef<T, unknown>[]): TableLook {
  const [kept, setKept] = useState<Kept>(() => stored(name));
  const keep = (next: Kept): void => {
    setKept(next);
    localStorage.setItem(`table.${name}`, JSON.stringify(next));
  };
  const visible: Record<string, boolean> = {};
  for (const column of columns) visible[columnName(column)] = kept.columns?.[columnName(column)] ?? !column.meta?.extra;
  return {
    visible,
    roomy: kept.roomy ?? false,
    show: (column, shown) => keep({ ...kept, columns: { ...kept.columns, [column]: shown } }),
    setRoomy: (roomy) => keep({ ...kept, roomy }),
  };
}
