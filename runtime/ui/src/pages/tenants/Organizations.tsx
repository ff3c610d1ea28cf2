import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { Budget, ModelsCell, Standing, When } from '@/shared/parts';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Maker, budgetOf } from './Maker';

type Organization = Schemas['OrganizationRecord'];
const TOUCHED = ['/organization/list', '/budget/list'] as const;

/** The organizations, each with its budget. */
export function Organizations(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const [makes, setMakes] = useState(false);
  const organizations = useGet('/organization/list');
  const budgets = useGet('/budget/list', {}, { enabled: may(me, 'budgets_read') });
  const named = new Map((budgets.data ?? []).map((budget) => [budget.budget_id, budget]));
  const make = useChange((body: Record<string, unknown>) => send('post', '/organization/new', body), { refreshes: TOUCHED, says: 'The organization is made', quiet: true });
  const block = useChange((each: Organization) => send('post', each.blocked ? '/organization/unblock' : '/organization/block', { organization_id: each.organization_id }), { refreshes: TOUCHED, says: 'Done' });
  const remove = useChange((each: Organization) => send('delete', '/organization/delete', { organization_ids: [each.organization_id] }), { refreshes: TOUCHED, says: 'The organization is deleted', quiet: true });
  const writes = may(me, 'organizations_create');
  const columns: ColumnDef<Organization, unknown>[] = [
    { id: 'name', header: 'Organization', cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.organization_alias}</strong> },
    { id: 'state', header: 'State', cell: ({ row }) => <Standing blocked={row.original.blocked} /> },
    { id: 'models', header: 'Models', cell: ({ row }) => <ModelsCell models={row.original.models ?? []} /> },
    { id: 'spend', header: 'Spent', cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={named.get(row.original.budget_id)?.max_budget} window={named.get(row.original.budget_id)?.budget_duration} /> },
    { id: 'rows', header: 'Requests', cell: ({ row }) => <Link to="/activity" search={{ organization: row.original.organization_id } as never}>its requests</Link> },
    { id: 'created', header: 'Created', cell: ({ row }) => <When at={row.original.created_at} /> },
    {
      id: 'do',
      header: '',
      cell: ({ row }) =>
        writes && (
          <span className="row" style={{ gap: 6, justifyContent: 'end', flexWrap: 'nowrap' }}>
            <Button size="compact-xs" variant="default" onClick={() => block.mutate(row.original)}>{row.original.blocked ? 'Unblock' : 'Block'}</Button>
            <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Delete the organization', effect: <><strong>{row.original.organization_alias}</strong> goes for good. Its requests stay in the ledger.</>, action: 'Delete', run: () => remove.mutateAsync(row.original) })}>Delete</Button>
          </span>
        ),
    },
  ];
  const button = writes && <Button onClick={() => setMakes(true)}>New organization</Button>;
  return (
    <>
      <DataTable name="organizations" label="Organizations" of={organizations} rows={organizations.data} columns={columns} id={(each) => each.organization_id} tools={button} free empty={<Empty title="No organizations yet" action={button}>An organization has teams, and a budget over all of them.</Empty>} />
      {makes && <Maker title="New organization" nameLabel="Name" asks={['models']} onClose={() => setMakes(false)} run={(made) => make.mutateAsync({ organization_alias: made.name, models: made.models, ...budgetOf(made) })} />}
    </>
  );
}
