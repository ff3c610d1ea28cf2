import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { money } from '@/shared/format';
import { Standing, When } from '@/shared/parts';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { useFilters } from '@/shared/url';
import { Maker, budgetOf } from './Maker';

type Customer = Schemas['CustomerRecord'];
const SIZE = 50;

/** The end users that calls name. */
export function Customers(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const [makes, setMakes] = useState(false);
  const page = Number(filters.page ?? 1);
  const customers = useGet('/customer/list', { page, page_size: SIZE });
  const make = useChange((body: Record<string, unknown>) => send('post', '/customer/new', body), { refreshes: ['/customer/list'], says: 'The customer is made', quiet: true });
  const block = useChange((each: Customer) => send('post', each.blocked ? '/customer/unblock' : '/customer/block', { user_ids: [each.user_id] }), { refreshes: ['/customer/list'], says: 'Done' });
  const writes = may(me, 'customers_write');
  const columns: ColumnDef<Customer, unknown>[] = [
    { id: 'id', header: 'Customer', cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.alias ?? row.original.user_id}</strong> },
    { id: 'state', header: 'State', cell: ({ row }) => <Standing blocked={row.original.blocked} /> },
    { id: 'budget', header: 'Budget', cell: ({ row }) => row.original.budget_id },
    { id: 'spend', header: 'Spent', meta: { numeric: true }, cell: ({ row }) => money(row.original.spend ?? 0) },
    { id: 'rows', header: 'Requests', cell: ({ row }) => <Link to="/activity" search={{ customer: row.original.user_id } as never}>their requests</Link> },
    { id: 'created', header: 'Created', cell: ({ row }) => <When at={row.original.created_at} /> },
    { id: 'do', header: '', meta: { numeric: true }, cell: ({ row }) => writes && <Button size="compact-xs" variant="default" onClick={() => block.mutate(row.original)}>{row.original.blocked ? 'Unblock' : 'Block'}</Button> },
  ];
  const button = writes && <Button onClick={() => setMakes(true)}>New customer</Button>;
  const full = customers.data?.length === SIZE;
  return (
    <>
      <DataTable
        name="customers"
        label="Customers"
        of={customers}
        rows={customers.data}
        columns={columns}
        id={(each) => each.user_id}
        tools={button}
        free
        empty={<Empty title="No customers yet" action={button}>A call names a customer in its field user. Make one here to give it a budget.</Empty>}
        foot={(page > 1 || full) && <><Button variant="default" disabled={page < 2} onClick={() => change({ page: page === 2 ? undefined : String(page - 1) })}>Earlier</Button><Button variant="default" disabled={!full} onClick={() => change({ page: String(page + 1) })}>More</Button></>}
      />
      {makes && <Maker title="New customer" nameLabel="Id, as calls name it" asks={[]} onClose={() => setMakes(false)} run={(made) => make.mutateAsync({ user_id: made.name, ...budgetOf(made) })} />}
    </>
  );
}
