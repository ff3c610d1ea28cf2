import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { clock, count, cut, duration, money } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Outcome, When } from '@/shared/parts';
import { type LogRow, attemptsOf, firstTokenOf } from './rows';

const LOCAL = 'local';

/** The columns of the log. */
export const COLUMNS: ColumnDef<LogRow, unknown>[] = [
  { id: 'time', header: 'Time', meta: { sort: 'startTime' }, cell: ({ row }) => <When at={row.original.startTime}><span className="mono dim">{clock(row.original.startTime)}</span></When> },
  { id: 'status', header: 'Status', cell: ({ row }) => <Outcome outcome={row.original.outcome} /> },
  { id: 'user', header: 'User', cell: ({ row }) => row.original.user },
  { id: 'team', header: 'Team', cell: ({ row }) => row.original.team_id },
  { id: 'key', header: 'Key', cell: ({ row }) => <Link to={`/keys/${row.original.api_key}`} title={row.original.api_key}>{row.original.metadata.user_api_key_alias ?? cut(row.original.api_key, 4)}</Link> },
  { id: 'asked', header: 'Asked', meta: { sort: 'model' }, cell: ({ row }) => row.original.model_group },
  {
    id: 'served',
    header: 'Served',
    cell: ({ row }) => (
      <>
        {row.original.model}
        {row.original.price_source === LOCAL && row.original.model && <span className="tag">local</span>}
      </>
    ),
  },
  { id: 'provider', header: 'Provider', meta: { extra: true }, cell: ({ row }) => row.original.custom_llm_provider },
  { id: 'tokens', header: 'Tokens in / out', meta: { numeric: true, sort: 'total_tokens' }, cell: ({ row }) => (row.original.total_tokens ? `${count(row.original.prompt_tokens)} / ${count(row.original.completion_tokens)}` : '') },
  { id: 'cached', header: 'Cached', meta: { numeric: true, extra: true }, cell: ({ row }) => count(row.original.cached_tokens) },
  { id: 'cost', header: 'Cost', meta: { numeric: true, sort: 'spend' }, cell: ({ row }) => `${row.original.estimated ? '≤ ' : ''}${money(row.original.spend)}` },
  { id: 'first', header: 'First token', meta: { numeric: true, sort: 'ttft_ms' }, cell: ({ row }) => (row.original.completionStartTime ? duration(firstTokenOf(row.original)) : '') },
  { id: 'total', header: 'Total', meta: { numeric: true, sort: 'request_duration_ms' }, cell: ({ row }) => duration(row.original.request_duration_ms) },
  { id: 'attempts', header: 'Attempts', meta: { numeric: true }, cell: ({ row }) => attemptsOf(row.original) || '' },
  { id: 'error', header: 'Error', meta: { extra: true }, cell: ({ row }) => <span title={row.original.error_message ?? ''}>{row.original.error_class}</span> },
  { id: 'endpoint', header: 'Endpoint', meta: { extra: true }, cell: ({ row }) => <span className="mono">{row.original.call_type}</span> },
  { id: 'tags', header: 'Tags', meta: { extra: true }, cell: ({ row }) => (row.original.request_tags ?? []).join(', ') },
  { id: 'id', header: 'Request id', meta: { extra: true }, cell: ({ row }) => <CopyId id={row.original.request_id} /> },
];
