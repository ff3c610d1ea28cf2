import { Button, NumberInput, Select } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, read, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { clock, count, money, plural } from '@/shared/format';
import { Outcome, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { periodOf } from '@/shared/period';
import { RangePicker } from '@/shared/pickers';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { useFilters } from '@/shared/url';
import { Bills } from './Bills';

type Row = Schemas['UncertainRow'];
type Uncertain = Schemas['UncertainPage'];

const COLUMNS: ColumnDef<Row, unknown>[] = [
  { id: 'time', header: 'Time', cell: ({ row }) => <When at={row.original.startTime}><span className="mono dim">{clock(row.original.startTime)}</span></When> },
  { id: 'status', header: 'Status', cell: ({ row }) => <Outcome outcome={row.original.outcome} /> },
  { id: 'model', header: 'Model', cell: ({ row }) => row.original.model },
  { id: 'provider', header: 'Provider', cell: ({ row }) => row.original.custom_llm_provider },
  { id: 'key', header: 'Key', cell: ({ row }) => row.original.key_alias },
  { id: 'team', header: 'Team', cell: ({ row }) => row.original.team_id },
  { id: 'tokens', header: 'Tokens in / out, at most', meta: { numeric: true }, cell: ({ row }) => `${count(row.original.prompt_tokens)} / ${count(row.original.completion_tokens)}` },
  { id: 'cost', header: 'Booked', meta: { numeric: true }, cell: ({ row }) => `≤ ${money(row.original.spend)}` },
  { id: 'error', header: 'Because', cell: ({ row }) => <span className="dim">{row.original.error_class ?? 'estimated'}</span> },
  { id: 'open', header: '', cell: ({ row }) => <Link to={`/activity/${row.original.request_id}`}>Look</Link> },
];

/** Rows whose cost is an upper bound, and a provider's bill beside the ledger. */
export default function Reconcile(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const confirm = useConfirm();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [cost, setCost] = useState<number | ''>(0);
  const models = useGet('/v1/models');
  const period = periodOf(filters.range ?? '30d');
  const query = { start_date: period.start_date, end_date: period.end_date, model: filters.model };
  const rows = useInfiniteQuery({
    queryKey: ['/spend/uncertain', query],
    queryFn: async ({ pageParam, signal }): Promise<Uncertain> => read('/spend/uncertain', { ...query, page_size: 100, after: pageParam || undefined }, signal),
    initialPageParam: '' as string | null,
    getNextPageParam: (last) => last.next,
  });
  const found = rows.data?.pages.flatMap((page) => page.data);
  const correct = useChange(
    async (reason: string) => {
      for (const request_id of picked) await send('post', '/spend/correct', { request_id, cost, reason });
    },
    { refreshes: ['/spend/uncertain', '/spend/logs/v2'], says: `${plural(picked.size, 'row')} corrected`, quiet: true, then: () => setPicked(new Set()) },
  );
  const writes = may(me, 'spend_write');
  return (
    <Page title="Reconcile" tools={<RangePicker />}>
      <DataTable<Row>
        name="uncertain"
        label="Uncertain and estimated rows"
        of={rows}
        rows={found}
        columns={COLUMNS}
        id={(row) => row.request_id}
        picked={writes ? picked : undefined}
        onPick={writes ? setPicked : undefined}
        tools={
          <>
            <Select size="xs" w={170} aria-label="Model" placeholder="Any model" clearable searchable data={[...new Set((models.data?.data ?? []).map((card) => card.id))]} value={filters.model ?? null} onChange={(model) => change({ model: model ?? undefined })} />
            {picked.size > 0 && (
              <>
                <span className="small dim">{plural(picked.size, 'row')} cost each</span>
                <NumberInput size="xs" w={110} prefix="$" min={0} decimalScale={9} aria-label="What each should have cost" value={cost} onChange={(value) => setCost(value === '' ? '' : Number(value))} />
                <Button disabled={cost === ''} onClick={() => confirm({ title: 'Correct the ledger', effect: <>{plural(picked.size, 'row')} will cost {money(cost || 0)} each. Budgets get the difference back, and the original rows stay.</>, action: 'Correct', asksReason: true, run: (reason) => correct.mutateAsync(reason) })}>Correct</Button>
              </>
            )}
          </>
        }
        empty={<Empty title="Nothing is uncertain">A request that was sent, and of which nobody knows what the provider will charge, is booked at the most that it can cost, and stands here.</Empty>}
        foot={rows.hasNextPage && <Button className="push" variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>More rows</Button>}
      />
      <Bills writes={writes} />
    </Page>
  );
}
