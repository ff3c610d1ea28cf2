import { Switch } from '@mantine/core';
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { type Schemas, useGet } from '@/api/client';
import { count } from '@/shared/format';
import { Chip, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';

type Alert = Schemas['AlertRecord'];
const EVERY_MS = 15_000;

const COLUMNS: ColumnDef<Alert, unknown>[] = [
  { id: 'kind', header: 'What', cell: ({ row }) => <Chip tone={row.original.ended_at ? 'idle' : row.original.kind.includes('budget') ? 'warn' : 'bad'}>{row.original.kind.replaceAll('_', ' ')}</Chip> },
  { id: 'object', header: 'Of', cell: ({ row }) => row.original.object },
  { id: 'message', header: 'Message', cell: ({ row }) => <span title={row.original.message}>{row.original.message}</span> },
  { id: 'times', header: 'Times', meta: { numeric: true }, cell: ({ row }) => count(row.original.times ?? 1) },
  { id: 'first', header: 'First', cell: ({ row }) => <When at={row.original.first_at} /> },
  { id: 'last', header: 'Last', cell: ({ row }) => <When at={row.original.last_at} /> },
  { id: 'over', header: 'Over', cell: ({ row }) => (row.original.ended_at ? <When at={row.original.ended_at} /> : <span className="dim">not yet</span>) },
  { id: 'told', header: 'Told', cell: ({ row }) => (row.original.told_at ? <When at={row.original.told_at} /> : <span className="dim">nobody</span>) },
  { id: 'host', header: 'Host', meta: { extra: true }, cell: ({ row }) => row.original.host },
];

/** What somebody should look at, and whether the webhook took it. */
export default function Alerts(): ReactNode {
  const [filters, change] = useFilters();
  const page = Number(filters.page ?? 1);
  const alerts = useGet('/alerts', { page, page_size: 50, open_only: filters.all ? undefined : true }, { everyMs: EVERY_MS });
  return (
    <Page title="Alerts">
      <DataTable<Alert>
        name="alerts"
        label="Alerts"
        of={alerts}
        rows={alerts.data?.alerts}
        columns={COLUMNS}
        id={(alert) => alert.id}
        tools={<Switch size="xs" label="Those that are over too" checked={filters.all !== undefined} onChange={(event) => change({ all: event.currentTarget.checked ? '1' : undefined, page: undefined })} />}
        empty={<Empty title={filters.all ? 'There has been no alert' : 'Nothing needs a look'}>Budgets near their limit, a provider that bills more than was held, and a ledger that falls behind are told here, and to the webhook of <code className="mono">general_settings.alerting</code>.</Empty>}
        foot={alerts.data && <Pager page={page} pages={alerts.data.total_pages} total={alerts.data.total} of="alerts" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
    </Page>
  );
}
