import { ActionIcon, Checkbox, Popover, Switch, Tooltip } from '@mantine/core';
import { IconColumns3 } from '@tabler/icons-react';
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { type TableLook, columnName } from './look';

interface TableToolsProps<T> {
  look: TableLook;
  columns: readonly ColumnDef<T, unknown>[];
  children?: ReactNode;
}

/** What stands above a table: its filters and actions, and the choice of columns and density. */
export function TableTools<T>({ look, columns, children }: TableToolsProps<T>): ReactNode {
  const named = columns.filter((column) => typeof column.header === 'string' && column.header !== '');
  return (
    <div className="table-tools">
      {children}
      <Popover position="bottom-end" withArrow shadow="md">
        <Popover.Target>
          <Tooltip label="Columns and density" withArrow>
            <ActionIcon className="push" variant="default" size={30} aria-label="Columns and density">
              <IconColumns3 size={16} />
            </ActionIcon>
          </Tooltip>
        </Popover.Target>
        <Popover.Dropdown>
          <div className="stack" style={{ gap: 8 }}>
            <Switch size="xs" label="Roomy rows" checked={look.roomy} onChange={(event) => look.setRoomy(event.currentTarget.checked)} />
            {named.map((column) => (
              <Checkbox
                key={columnName(column)}
                size="xs"
                label={String(column.header)}
                checked={look.visible[columnName(column)] ?? true}
                onChange={(event) => look.show(columnName(column), event.currentTarget.checked)}
              />
            ))}
          </div>
        </Popover.Dropdown>
      </Popover>
    </div>
  );
}
