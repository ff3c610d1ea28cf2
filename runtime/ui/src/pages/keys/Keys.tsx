import { Button, Select } from '@mantine/core';
import { IconPlus, IconSearch } from '@tabler/icons-react';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { FilterText } from '@/shared/FilterText';
import { Budget, ModelsCell, Standing, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { SavedFilters } from '@/shared/saved/SavedFilters';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';
import { BulkBar } from './BulkBar';
import { KeyDrawer } from './KeyDrawer';
import { NewKey } from './NewKey';
import { type KeyFacts, limitsOf, nameOf } from './key';

const SIZE = 50;

const COLUMNS: ColumnDef<KeyFacts, unknown>[] = [
  { id: 'alias', header: 'Alias', meta: { sort: 'key_alias' }, cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{nameOf(row.original)}</strong> },
  { id: 'key', header: 'Key', cell: ({ row }) => <span className="mono">{row.original.key_name}</span> },
  { id: 'state', header: 'State', cell: ({ row }) => <Standing blocked={row.original.blocked} expired={row.original.status === 'expired'} /> },
  { id: 'owner', header: 'Owner', cell: ({ row }) => row.original.user?.user_email ?? row.original.user_id ?? <span className="dim">service</span> },
  { id: 'team', header: 'Team', cell: ({ row }) => (row.original.team_id ? <Link to={`/teams/${row.original.team_id}`}>{row.original.team_id}</Link> : null) },
  { id: 'models', header: 'Models', cell: ({ row }) => <ModelsCell models={row.original.models ?? []} /> },
  { id: 'budget', header: 'Spent', meta: { sort: 'spend' }, cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={row.original.max_budget} window={row.original.budget_duration} /> },
  { id: 'limits', header: 'Limits', cell: ({ row }) => limitsOf(row.original) || <span className="dim">none</span> },
  { id: 'expires', header: 'Expires', meta: { sort: 'expires' }, cell: ({ row }) => (row.original.expires ? <When at={row.original.expires} /> : <span className="dim">never</span>) },
  { id: 'created', header: 'Created', meta: { sort: 'created_at' }, cell: ({ row }) => <When at={row.original.created_at} /> },
  { id: 'creator', header: 'Created by', meta: { extra: true }, cell: ({ row }) => row.original.created_by },
];

/** The virtual keys: who has them, what they may do, and what they spent. */
export default function Keys(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const page = Number(filters.page ?? 1);
  const keys = useGet('/key/list', {
    page,
    size: SIZE,
    return_full_object: true,
    include_team_keys: true,
    include_created_by_keys: true,
    expand: 'user',
    search: filters.q,
    status: filters.status,
    team_id: filters.team,
    user_id: filters.user,
    sort_by: filters.sort ?? 'created_at',
    sort_order: filters.order ?? 'desc',
  });
  const rows = keys.data?.keys.filter((key): key is KeyFacts => typeof key !== 'string');
  const writes = may(me, 'keys_write');
  const narrowed = filters.q || filters.status || filters.team || filters.user;
  const make = (
    <Button leftSection={<IconPlus size={15} />} onClick={() => change({ new: '1' }, { push: true })}>
      New key
    </Button>
  );
  return (
    <Page title="Keys" tools={writes ? make : undefined}>
      <DataTable
        name="keys"
        label="Keys"
        of={keys}
        rows={rows}
        columns={COLUMNS}
        id={(key) => key.token}
        opened={id}
        onOpen={(key) => void navigate({ to: `/keys/${key.token}`, search: filters as never })}
        sorting={{ by: filters.sort ?? 'created_at', order: filters.order === 'asc' ? 'asc' : 'desc' }}
        onSort={({ by, order }) => change({ sort: by, order, page: undefined })}
        picked={writes ? picked : undefined}
        onPick={writes ? setPicked : undefined}
        tools={
          <>
            <FilterText label="Search keys" placeholder="Alias or id" width={220} icon={<IconSearch size={14} />} value={filters.q} onChange={(q) => change({ q, page: undefined })} />
            <Select size="xs" w={130} aria-label="State" placeholder="Any state" clearable data={['active', 'blocked', 'expired', 'deleted']} value={filters.status ?? null} onChange={(status) => change({ status: status ?? undefined, page: undefined })} />
            {(filters.team || filters.user) && (
              <Button variant="default" onClick={() => change({ team: undefined, user: undefined, page: undefined })}>
                {filters.team ? `team ${filters.team}` : `user ${filters.user}`} ×
              </Button>
            )}
            <SavedFilters page="keys" />
            {picked.size > 0 && <BulkBar picked={picked} rows={rows ?? []} done={() => setPicked(new Set())} />}
          </>
        }
        empty={
          narrowed ? (
            <Empty title="No key fits">Take a filter away to see more.</Empty>
          ) : (
            <Empty title="No keys yet" action={writes ? make : undefined}>
              A key lets a program call models. It has an owner, models that it may use, and a budget.
            </Empty>
          )
        }
        foot={keys.data && <Pager page={page} pages={keys.data.total_pages} total={keys.data.total_count} of="keys" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
      {id && <KeyDrawer token={id} onClose={() => void navigate({ to: '/keys', search: filters as never })} />}
      {filters.new && <NewKey onClose={() => change({ new: undefined })} />}
    </Page>
  );
}
