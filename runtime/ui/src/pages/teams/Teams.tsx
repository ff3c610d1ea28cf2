import { Button, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconPlus, IconSearch } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { type Schemas, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { count } from '@/shared/format';
import { Budget, ModelsCell, Standing, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';
import { TeamDrawer } from './TeamDrawer';
import { TeamForm } from './TeamForm';

type Team = Schemas['TeamRecord'];

const SIZE = 50;

const COLUMNS: ColumnDef<Team, unknown>[] = [
  { id: 'name', header: 'Team', meta: { sort: 'team_alias' }, cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.team_alias ?? row.original.team_id}</strong> },
  { id: 'id', header: 'Id', meta: { extra: true }, cell: ({ row }) => <span className="mono">{row.original.team_id}</span> },
  { id: 'state', header: 'State', cell: ({ row }) => <Standing blocked={row.original.blocked} /> },
  { id: 'organization', header: 'Organization', cell: ({ row }) => row.original.organization_id },
  { id: 'members', header: 'Members', meta: { numeric: true }, cell: ({ row }) => count(row.original.members_with_roles?.length ?? 0) },
  { id: 'models', header: 'Models', cell: ({ row }) => <ModelsCell models={row.original.models ?? []} /> },
  { id: 'budget', header: 'Spent', meta: { sort: 'spend' }, cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={row.original.max_budget} window={row.original.budget_duration} /> },
  { id: 'resets', header: 'Resets', cell: ({ row }) => <When at={row.original.budget_reset_at} /> },
  { id: 'created', header: 'Created', meta: { sort: 'created_at' }, cell: ({ row }) => <When at={row.original.created_at} /> },
];

/** The teams: who is in them, what they may use, and what they spent. */
export default function Teams(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const page = Number(filters.page ?? 1);
  const search = useDebouncedCallback((q: string) => change({ q, page: undefined }), 250);
  const teams = useGet('/v2/team/list', { page, page_size: SIZE, search: filters.q, sort_by: filters.sort ?? 'team_alias', sort_order: filters.order ?? 'asc' });
  const make = may(me, 'teams_create') && (
    <Button leftSection={<IconPlus size={15} />} onClick={() => change({ new: '1' }, { push: true })}>
      New team
    </Button>
  );
  return (
    <Page title="Teams" tools={make}>
      <DataTable<Team>
        name="teams"
        label="Teams"
        of={teams}
        rows={teams.data?.teams}
        columns={COLUMNS}
        id={(team) => team.team_id}
        opened={id}
        onOpen={(team) => void navigate({ to: `/teams/${team.team_id}`, search: filters as never })}
        sorting={{ by: filters.sort ?? 'team_alias', order: filters.order === 'desc' ? 'desc' : 'asc' }}
        onSort={({ by, order }) => change({ sort: by, order, page: undefined })}
        tools={<TextInput size="xs" w={220} aria-label="Search teams" placeholder="Name or id" leftSection={<IconSearch size={14} />} defaultValue={filters.q} onChange={(event) => search(event.currentTarget.value)} />}
        empty={
          filters.q ? <Empty title="No team fits">Search for another part of its name.</Empty> : <Empty title="No teams yet" action={make}>A team has members, models and a budget that its keys share.</Empty>
        }
        foot={teams.data && <Pager page={page} pages={teams.data.total_pages} total={teams.data.total} of="teams" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
      {id && <TeamDrawer id={id} onClose={() => void navigate({ to: '/teams', search: filters as never })} />}
      {filters.new && <TeamForm onClose={() => change({ new: undefined })} />}
    </Page>
  );
}
