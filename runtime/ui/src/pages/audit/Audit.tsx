import { Button, Drawer, Menu, Select } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { addressOf, useGet } from '@/api/client';
import { FilterText } from '@/shared/FilterText';
import { clock } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Facts, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { periodOf } from '@/shared/period';
import { RangePicker } from '@/shared/pickers';
import { SavedFilters } from '@/shared/saved/SavedFilters';
import { Empty, Loaded } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';
import { type Change, differences, objectOf, sentence, tableWord } from './words';

const SIZE = 50;
const ACTIONS = ['created', 'updated', 'deleted', 'blocked', 'unblocked', 'rotated', 'signed_in'];
const TABLES = ['LiteLLM_VerificationToken', 'LiteLLM_UserTable', 'LiteLLM_TeamTable', 'LiteLLM_TeamMembership', 'LiteLLM_OrganizationTable', 'LiteLLM_BudgetTable', 'LiteLLM_ProxyModelTable', 'LiteLLM_CredentialsTable', 'LiteLLM_EndUserTable'];

const COLUMNS: ColumnDef<Change, unknown>[] = [
  { id: 'time', header: 'Time', meta: { sort: 'updated_at' }, cell: ({ row }) => <When at={row.original.updated_at}><span className="mono dim">{clock(row.original.updated_at)}</span></When> },
  { id: 'who', header: 'Who', meta: { sort: 'changed_by' }, cell: ({ row }) => row.original.changed_by },
  { id: 'action', header: 'Did', meta: { sort: 'action' }, cell: ({ row }) => row.original.action.replaceAll('_', ' ') },
  { id: 'what', header: 'What', meta: { sort: 'table_name' }, cell: ({ row }) => tableWord(row.original.table_name) },
  { id: 'object', header: 'Which', meta: { sort: 'object_id' }, cell: ({ row }) => objectOf(row.original) },
  { id: 'fields', header: 'Changed', cell: ({ row }) => <span className="dim">{differences(row.original).map((each) => each.field).join(', ')}</span> },
  { id: 'from', header: 'From', cell: ({ row }) => <span className="mono dim">{row.original.source_address ?? (row.original.changed_by.startsWith('sql:') ? 'SQL' : '')}</span> },
];

function shown(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Who changed what, before and after, from where. */
export default function Audit(): ReactNode {
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const period = periodOf(filters.range ?? '30d');
  const page = Number(filters.page ?? 1);
  const query = { start_date: period.start_date, end_date: period.end_date, changed_by: filters.who, action: filters.action, table_name: filters.table, object_id: filters.object };
  const audit = useGet('/audit', { ...query, page, page_size: SIZE, sort_by: filters.sort ?? 'updated_at', sort_order: filters.order ?? 'desc' });
  return (
    <Page title="Audit" tools={<RangePicker />}>
      <DataTable<Change>
        name="audit"
        label="Changes"
        of={audit}
        rows={audit.data?.audit_logs}
        columns={COLUMNS}
        id={(each) => each.id}
        opened={id}
        onOpen={(each) => void navigate({ to: `/audit/${each.id}`, search: filters as never })}
        sorting={{ by: filters.sort ?? 'updated_at', order: filters.order === 'asc' ? 'asc' : 'desc' }}
        onSort={({ by, order }) => change({ sort: by, order, page: undefined })}
        tools={
          <>
            <FilterText label="Who" placeholder="Who, such as ada or sql:ops" width={170} value={filters.who} onChange={(who) => change({ who, page: undefined })} />
            <Select size="xs" w={140} aria-label="Action" placeholder="Any action" clearable data={ACTIONS.map((value) => ({ value, label: value.replaceAll('_', ' ') }))} value={filters.action ?? null} onChange={(action) => change({ action: action ?? undefined, page: undefined })} />
            <Select size="xs" w={150} aria-label="What" placeholder="Anything" clearable data={TABLES.map((value) => ({ value, label: tableWord(value) }))} value={filters.table ?? null} onChange={(table) => change({ table: table ?? undefined, page: undefined })} />
            <SavedFilters page="audit" />
            <Menu>
              <Menu.Target><Button variant="default" leftSection={<IconDownload size={14} />}>Export</Button></Menu.Target>
              <Menu.Dropdown>
                <Menu.Item component="a" href={addressOf('/audit/export', { ...query, format: 'csv' })} download>CSV</Menu.Item>
                <Menu.Item component="a" href={addressOf('/audit/export', { ...query, format: 'jsonl' })} download>JSON lines</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </>
        }
        empty={<Empty title="No change fits">Every change of keys, users, teams, models and settings stands here, also those by SQL.</Empty>}
        foot={audit.data && <Pager page={page} pages={audit.data.total_pages} total={audit.data.total} of="changes" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
      {id && <ChangeDrawer id={id} onClose={() => void navigate({ to: '/audit', search: filters as never })} />}
    </Page>
  );
}

function ChangeDrawer({ id, onClose }: { id: string; onClose: () => void }): ReactNode {
  const found = useGet('/audit/{id}', { id }, { keeps: false });
  return (
    <Drawer opened onClose={onClose} position="right" size={620} title={found.data ? sentence(found.data) : 'Change'}>
      <Loaded of={found} rows={8}>
        {(each) => (
          <div className="stack">
            <Facts
              of={[
                ['Time', <When key="t" at={each.updated_at}>{new Date(each.updated_at).toLocaleString()}</When>],
                ['Who', each.changed_by],
                ['Says to act for', each.claimed_by],
                ['Which', <CopyId key="o" id={each.object_id} />],
                ['From', each.source_address],
                ['Database user', each.database_user],
                ['Request', each.request_id && <CopyId id={each.request_id} />],
              ]}
            />
            <table className="plain wrap">
              <thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>
              <tbody>
                {differences(each).map((line) => (
                  <tr key={line.field}><td>{line.field}</td><td className="mono dim">{shown(line.before)}</td><td className="mono">{shown(line.after)}</td></tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
    </Drawer>
  );
}
