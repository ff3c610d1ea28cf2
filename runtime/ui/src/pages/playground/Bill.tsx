import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type Schemas, read } from '@/api/client';
import { count, duration, money } from '@/shared/format';

const EVERY_MS = 700;
const MOST = 20;

/** What an answer cost, how long it took and who gave it, from its row once that is booked. */
export function Bill({ callId }: { callId: string }): ReactNode {
  const row = useQuery({
    queryKey: ['bill', callId],
    queryFn: async ({ signal }) => ((await read('/spend/logs/v2', { request_id: callId, page_size: 5 }, signal)).data[0] as Schemas['SpendLog'] | undefined) ?? null,
    refetchInterval: (query) => (query.state.data || query.state.dataUpdateCount > MOST ? false : EVERY_MS),
  });
  if (!row.data) return <div className="small dim">counting…</div>;
  const { data } = row;
  const seconds = data.completionStartTime ? duration(Date.parse(data.completionStartTime) - Date.parse(data.startTime)) : null;
  return (
    <div className="small dim">
      <Link to={`/activity/${data.request_id}`} search={{ tab: 'cost' } as never}>{money(data.spend)}</Link> · {count(data.prompt_tokens)} in, {count(data.completion_tokens)} out · {seconds ? `first token ${seconds}, ` : ''}{duration(data.request_duration_ms)} ·{' '}
      <Link to={`/activity/${data.request_id}`} search={{ tab: 'route' } as never}>{data.custom_llm_provider} / {data.model}</Link>
    </div>
  );
}
