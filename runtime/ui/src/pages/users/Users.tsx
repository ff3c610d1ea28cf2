import { Button, Select } from '@mantine/core';
import { IconPlus, IconSearch } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { type Schemas, useGet } from '@/api/client';
import { manages, roleWord, useMe } from '@/api/me';
import { FilterText } from '@/shared/FilterText';
import { Budget, Chip, Standing, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { SavedFilters } from '@/shared/saved/SavedFilters';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';
import { Invite } from './Invite';
import { UserDrawer } from './UserDrawer';

type User = Schemas['UserRecord'];

const SIZE = 50;
export const ROLES = ['proxy_admin', 'proxy_admin_viewer', 'org_admin', 'devops', 'internal_user', 'internal_user_viewer'];

const COLUMNS: ColumnDef<User, unknown>[] = [
  { id: 'email', header: 'User', meta: { sort: 'user_email' }, cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.user_email ?? row.original.user_id}</strong> },
  { id: 'alias', header: 'Name', meta: { sort: 'user_alias' }, cell: ({ row }) => row.original.user_alias },
  { id: 'id', header: 'Id', meta: { extra: true, sort: 'user_id' }, cell: ({ row }) => <span className="mono">{row.original.user_id}</span> },
  { id: 'role', header: 'Role', meta: { sort: 'user_role' }, cell: ({ row }) => roleWord(row.original.user_role ?? '') },
  { id: 'source', header: 'Role from', cell: ({ row }) => <span className="dim">{row.original.role_source}</span> },
  { id: 'state', header: 'State', cell: ({ row }) => (row.original.pending ? <Chip tone="warn">pending</Chip> : <Standing blocked={row.original.blocked || row.original.deactivated} />) },
  { id: 'teams', header: 'Teams', cell: ({ row }) => (row.original.teams ?? []).join(', ') },
  { id: 'spend', header: 'Spent', meta: { sort: 'spend' }, cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={row.original.max_budget} window={row.original.budget_duration} /> },
  { id: 'created', header: 'Since', meta: { sort: 'created_at' }, cell: ({ row }) => <When at={row.original.created_at} /> },
];

/** The people: their roles, where those come from, and what they spent. */
export default function Users(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const page = Number(filters.page ?? 1);
  const users = useGet('/user/list', { page, page_size: SIZE, user_email: filters.q, role: filters.role, team: filters.team, sort_by: filters.sort ?? 'created_at', sort_order: filters.order ?? 'desc' });
  const invite = manages(me, 'users_write') && (
    <Button leftSection={<IconPlus size={15} />} onClick={() => change({ new: '1' }, { push: true })}>
      Invite
    </Button>
  );
  return (
    <Page title="Users" tools={invite}>
      <DataTable<User>
        name="users"
        label="Users"
        of={users}
        rows={users.data?.users}
        columns={COLUMNS}
        id={(user) => user.user_id}
        opened={id}
        onOpen={(user) => void navigate({ to: `/users/${user.user_id}`, search: filters as never })}
        sorting={{ by: filters.sort ?? 'created_at', order: filters.order === 'asc' ? 'asc' : 'desc' }}
        onSort={({ by, order }) => change({ sort: by, order, page: undefined })}
        tools={
          <>
            <FilterText label="Search users" placeholder="Part of the address" width={220} icon={<IconSearch size={14} />} value={filters.q} onChange={(q) => change({ q, page: undefined })} />
            <Select size="xs" w={170} aria-label="Role" placeholder="Any role" clearable data={ROLES.map((value) => ({ value, label: roleWord(value) }))} value={filters.role ?? null} onChange={(role) => change({ role: role ?? undefined, page: undefined })} />
            <SavedFilters page="users" />
          </>
        }
        empty={filters.q || filters.role ? <Empty title="No user fits">Take a filter away to see more.</Empty> : <Empty title="Nobody yet" action={invite}>People appear here when they sign in, or when an admin invites them.</Empty>}
        foot={users.data && <Pager page={page} pages={users.data.total_pages} total={users.data.total} of="users" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
      {id && <UserDrawer id={id} onClose={() => void navigate({ to: '/users', search: filters as never })} />}
      {filters.new && <Invite onClose={() => change({ new: undefined })} />}
    </Page>
  );
}
