import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { cut, duration, money, plural } from '@/shared/format';
import { Facts, Outcome } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { type LogRow, routeOf } from './rows';

/** Words for the reasons of a drop. */
const WHY: Record<string, string> = {
  cooling: 'cooling down after failures',
  unhealthy: 'its health check fails',
  tried: 'attempted before',
};

/** Why the request went where it went, and each attempt that was made for it. */
export function RouteTab({ row }: { row: LogRow }): ReactNode {
  const route = routeOf(row);
  const call = useGet('/spend/logs/v2', { request_id: row.litellm_call_id, page_size: 20, sort_order: 'asc' });
  if (row.outcome === 'refused') {
    return <p>The gateway refused the request before a deployment was chosen: {row.error_message ?? row.error_class}</p>;
  }
  return (
    <div className="stack">
      <Facts
        of={[
          ['Strategy', route.strategy],
          ['Model', route.model ?? row.model_group],
          ['Deployment', <span key="d"><span className="mono" title={row.model_id}>{cut(row.model_id)}</span> {route.of && route.of > 1 ? <span className="dim">one of {route.of}</span> : null}</span>],
          ['Address', <span key="a" className="mono">{row.api_base}</span>],
          ['Retries before', route.retries ? plural(route.retries, 'retry').replace('retrys', 'retries') : 'none'],
          ['Fallbacks before', route.fallbacks ? plural(route.fallbacks, 'model') : 'none'],
          ['Stayed local', row.metadata.local_only],
        ]}
      />
      {(route.passed_over?.length ?? 0) > 0 && (
        <section>
          <h3 style={{ fontSize: 13, marginBottom: 4 }}>Passed over</h3>
          <table className="plain wrap">
            <thead><tr><th>Model</th><th>Deployment</th><th>Why</th></tr></thead>
            <tbody>
              {route.passed_over?.map((each, n) => (
                <tr key={n}><td>{each.model}</td><td className="mono">{each.id ? cut(each.id) : 'all'}</td><td>{WHY[each.why] ?? each.why}{each.detail ? `: ${each.detail}` : ''}</td></tr>
              ))}
            </tbody>
          </table>
          {route.more ? <p className="dim small">and {route.more} more</p> : null}
        </section>
      )}
      <section>
        <h3 style={{ fontSize: 13, marginBottom: 4 }}>Attempts of this call</h3>
        <Loaded of={call} rows={2}>
          {(page) => (
            <table className="plain">
              <thead><tr><th>Status</th><th>Served by</th><th className="num">Cost</th><th className="num">Took</th></tr></thead>
              <tbody>
                {(page.data as LogRow[]).map((each) => (
                  <tr key={each.request_id}>
                    <td><Outcome outcome={each.outcome} /></td>
                    <td><Link to={`/activity/${each.request_id}`} search={{ tab: 'route' } as never}>{each.custom_llm_provider} / {each.model}</Link></td>
                    <td className="num">{money(each.spend)}</td>
                    <td className="num">{duration(each.request_duration_ms)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
      </section>
    </div>
  );
}
