import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { count, duration, money, utc } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Facts, When } from '@/shared/parts';
import { type LogRow, attemptsOf, firstTokenOf } from './rows';

/** What happened, for whom, and where to look further. */
export function SummaryTab({ row }: { row: LogRow }): ReactNode {
  const told = row.metadata;
  return (
    <div className="stack">
      {row.error_message && (
        <div className={`note ${row.outcome === 'refused' ? 'warn' : 'bad'}`}>
          <strong>{row.http_status} {row.error_class}</strong>
          <br />
          {row.error_message}
        </div>
      )}
      <Facts
        of={[
          ['Time', <span key="t"><When at={row.startTime}>{new Date(row.startTime).toLocaleString()}</When> <span className="dim small" style={{ whiteSpace: 'nowrap' }}>{utc(row.startTime)}</span></span>],
          ['User', row.user && <Link to={`/users/${row.user}`}>{row.user}</Link>],
          ['Team', row.team_id && <Link to={`/teams/${row.team_id}`}>{row.team_id}</Link>],
          ['Key', <Link key="k" to={`/keys/${row.api_key}`}>{told.user_api_key_alias ?? row.api_key.slice(0, 12)}</Link>],
          ['Organization', row.organization_id],
          ['Customer', row.end_user],
          ['Model asked', row.model_group],
          ['Model served', row.model && `${row.custom_llm_provider} / ${row.model}`],
          ['Endpoint', <span key="e" className="mono">{row.call_type}</span>],
          ['Answer', `${row.http_status}${row.streamed ? ', streamed' : ''}`],
          ['Tokens', row.total_tokens > 0 && `${count(row.prompt_tokens)} in, ${count(row.completion_tokens)} out${row.cached_tokens ? `, ${count(row.cached_tokens)} of them cached` : ''}${row.reasoning_tokens ? `, ${count(row.reasoning_tokens)} reasoning` : ''}`],
          ['Cost', `${row.estimated ? 'at most ' : ''}${money(row.spend, { exact: Number(row.spend) > 0 })}`],
          ['First token', firstTokenOf(row) !== null && duration(firstTokenOf(row))],
          ['Total', duration(row.request_duration_ms)],
          ['Attempts', attemptsOf(row) > 0 && attemptsOf(row)],
          ['Response cache', row.cache_hit === 'True' && 'answered from the cache'],
          ['Kept local by', told.local_only],
          ['Session', row.session_id && <Link to="/activity" search={{ q: row.session_id } as never}>{row.session_id}</Link>],
          ['Tags', (row.request_tags ?? []).join(', ')],
          ['From', [row.requester_ip_address, told.user_agent].filter(Boolean).join(', ')],
          ['Call id', <CopyId key="c" id={row.litellm_call_id} />],
          ['Answer id', row.response_id && <CopyId id={row.response_id} />],
          ['Trace', told.trace_id && <CopyId id={told.trace_id} />],
        ]}
      />
    </div>
  );
}
