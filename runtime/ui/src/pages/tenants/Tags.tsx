import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { Budget, When } from '@/shared/parts';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Maker, budgetOf } from './Maker';

type Tag = Schemas['TagInfo'];

/** The tags that have a description or a budget. */
export function Tags(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const [makes, setMakes] = useState(false);
  const tags = useGet('/tag/list');
  const make = useChange((body: Record<string, unknown>) => send('post', '/tag/new', body), { refreshes: ['/tag/list'], says: 'The tag is made', quiet: true });
  const remove = useChange((each: Tag) => send('post', '/tag/delete', { name: each.name }), { refreshes: ['/tag/list'], says: 'The tag is deleted', quiet: true });
  const writes = may(me, 'tags_write');
  const columns: ColumnDef<Tag, unknown>[] = [
    { id: 'name', header: 'Tag', cell: ({ row }) => <span className="mono">{row.original.name}</span> },
    { id: 'description', header: 'What it is', cell: ({ row }) => row.original.description },
    { id: 'spend', header: 'Spent', cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={row.original.litellm_budget_table?.max_budget} window={row.original.litellm_budget_table?.budget_duration} /> },
    { id: 'rows', header: 'Requests', cell: ({ row }) => <Link to="/activity" search={{ tag: row.original.name } as never}>its requests</Link> },
    { id: 'created', header: 'Created', cell: ({ row }) => <When at={row.original.created_at} /> },
    { id: 'do', header: '', meta: { numeric: true }, cell: ({ row }) => writes && <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Delete the tag', effect: <>The budget of <strong>{row.original.name}</strong> goes. Calls with the tag go on.</>, action: 'Delete', run: () => remove.mutateAsync(row.original) })}>Delete</Button> },
  ];
  const button = writes && <Button onClick={() => setMakes(true)}>New tag</Button>;
  return (
    <>
      <DataTable name="tags" label="Tags" of={tags} rows={tags.data} columns={columns} id={(each) => each.name} tools={button} free empty={<Empty title="No tags yet" action={button}>A call can have tags. A tag here has a description, and may have a budget.</Empty>} />
      {makes && <Maker title="New tag" nameLabel="Tag" asks={['description']} onClose={() => setMakes(false)} run={(made) => make.mutateAsync({ name: made.name, description: made.description || undefined, ...budgetOf(made) })} />}
    </>
  );
}
