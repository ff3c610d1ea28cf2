import { Button, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconPlus, IconSearch } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useMemo } from 'react';
import { useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { compact, duration } from '@/shared/format';
import { type Timed, useLatency } from '@/shared/latency';
import { Chip } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { periodOf } from '@/shared/period';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Pager } from '@/shared/table/Pager';
import { useFilters } from '@/shared/url';
import { type Deployment, TONES, capabilities, idOf, info, isStored, params, perMillion, standing } from './model';
import { ModelDrawer } from './ModelDrawer';
import { NewModel } from './NewModel';

const SIZE = 100;

function Price({ of, name }: { of: Deployment; name: string }): ReactNode {
  const rate = info(of)[name];
  if (rate === null || rate === undefined) return name === 'input_cost_per_token' && !String(of.model_name).includes('*') ? <Chip tone="warn">no price</Chip> : '–';
  return perMillion(rate);
}

/** The columns. `timed` has the percentiles of each public name. */
function columnsOf(timed: ReadonlyMap<string, Timed>): ColumnDef<Deployment, unknown>[] {
  return [
    { id: 'name', header: 'Model', meta: { sort: 'model_name' }, cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.model_name}</strong> },
    { id: 'provider', header: 'Served by', cell: ({ row }) => <><span className="short" title={String(params(row.original).model ?? '')}>{String(params(row.original).model ?? '')}</span>{info(row.original).local === true && <span className="tag">local</span>}</> },
    { id: 'state', header: 'State', cell: ({ row }) => <State of={row.original} /> },
    { id: 'input', header: 'In, $ a million', meta: { numeric: true, sort: 'costs' }, cell: ({ row }) => <Price of={row.original} name="input_cost_per_token" /> },
    { id: 'output', header: 'Out, $ a million', meta: { numeric: true }, cell: ({ row }) => <Price of={row.original} name="output_cost_per_token" /> },
    { id: 'p50', header: 'p50, 7 d', meta: { numeric: true }, cell: ({ row }) => duration(timed.get(row.original.model_name)?.duration_ms.p50) },
    { id: 'p95', header: 'p95, 7 d', meta: { numeric: true }, cell: ({ row }) => duration(timed.get(row.original.model_name)?.duration_ms.p95) },
    { id: 'source', header: 'Price from', cell: ({ row }) => <span className="dim">{String(info(row.original).price_source ?? '')}</span> },
    { id: 'context', header: 'Context', meta: { numeric: true }, cell: ({ row }) => (info(row.original).max_input_tokens ? compact(Number(info(row.original).max_input_tokens)) : '') },
    { id: 'can', header: 'Can do', cell: ({ row }) => <span className="dim short" title={capabilities(row.original).join(', ')}>{capabilities(row.original).join(', ')}</span> },
    { id: 'from', header: 'From', cell: ({ row }) => <span className="dim">{isStored(row.original) ? 'added here' : 'config file'}</span> },
    { id: 'base', header: 'Address', meta: { extra: true }, cell: ({ row }) => <span className="mono">{String(params(row.original).api_base ?? '')}</span> },
  ];
}

function State({ of }: { of: Deployment }): ReactNode {
  const { state, detail } = standing(of);
  return <Chip tone={TONES[state] ?? 'idle'} title={detail}>{state}</Chip>;
}

/** The models and their deployments: what they are, cost and can do. Changes count at once, without a restart. */
export default function Models(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const page = Number(filters.page ?? 1);
  const search = useDebouncedCallback((q: string) => change({ q, page: undefined }), 250);
  const models = useGet('/v2/model/info', { page, size: SIZE, search: filters.q, sortBy: filters.sort, sortOrder: filters.order ?? 'asc' });
  const latency = useLatency({ period: periodOf('7d'), step: 'total', by: 'model' });
  const timed = useMemo(() => new Map((latency.data?.results ?? []).map((each) => [each.group, each])), [latency.data]);
  const columns = useMemo(() => columnsOf(timed), [timed]);
  const opened = models.data?.data.find((each) => idOf(each) === id);
  const make = may(me, 'models_write') && (
    <Button leftSection={<IconPlus size={15} />} onClick={() => change({ new: '1' }, { push: true })}>
      Add a model
    </Button>
  );
  return (
    <Page title="Models" tools={make}>
      <DataTable<Deployment>
        name="models"
        label="Models"
        of={models}
        rows={models.data?.data}
        columns={columns}
        id={idOf}
        opened={id}
        onOpen={(each) => void navigate({ to: `/models/${idOf(each)}`, search: filters as never })}
        sorting={{ by: filters.sort ?? '', order: filters.order === 'desc' ? 'desc' : 'asc' }}
        onSort={({ by, order }) => change({ sort: by, order, page: undefined })}
        tools={<TextInput size="xs" w={220} aria-label="Search models" placeholder="Name or provider's name" leftSection={<IconSearch size={14} />} defaultValue={filters.q} onChange={(event) => search(event.currentTarget.value)} />}
        empty={filters.q ? <Empty title="No model fits">Search for another part of its name.</Empty> : <Empty title="No models yet" action={make}>Add one here, or in the config file. Programs call it by its public name.</Empty>}
        foot={models.data && <Pager page={page} pages={models.data.total_pages} total={models.data.total_count} of="deployments" go={(next) => change({ page: next === 1 ? undefined : String(next) })} />}
      />
      {opened && <ModelDrawer key={idOf(opened)} of={opened} timed={timed.get(opened.model_name)} onClose={() => void navigate({ to: '/models', search: filters as never })} />}
      {filters.new && <NewModel onClose={() => change({ new: undefined })} />}
    </Page>
  );
}
