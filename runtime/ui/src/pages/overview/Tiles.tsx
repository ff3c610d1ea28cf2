import type { ReactNode } from 'react';
import { type Day, change, totalOf } from '@/shared/activity';
import { compact, count, duration, money, percent } from '@/shared/format';
import type { Timed } from '@/shared/latency';
import { Tile } from '@/shared/parts';
import { type Period, forecast } from '@/shared/period';

interface TilesProps {
  days: readonly Day[];
  earlier: readonly Day[] | undefined;
  period: Period;
  scope: string;
  latency: Timed | undefined;
}

/** A change in words: `▲ 12 % on the 30 d before`. */
function changed(now: number, then: number | undefined, days: number): string {
  const part = then === undefined ? null : change(now, then);
  if (part === null) return ' ';
  const sign = part >= 0 ? '▲' : '▼';
  return `${sign} ${percent(Math.abs(part), 0)} on the ${days} d before`;
}

/** The numbers of the range. Each leads to the rows behind it. */
export function Tiles({ days, earlier, period, scope, latency }: TilesProps): ReactNode {
  const now = totalOf(days);
  const then = earlier && totalOf(earlier);
  const spend = Number(now.spend ?? 0);
  const requests = now.api_requests ?? 0;
  const refused = now.refused_requests ?? 0;
  const failed = (now.failed_requests ?? 0) - refused;
  const share = (part: number): string => percent(requests ? part / requests : null, 2);
  const team = scope.startsWith('team:') ? scope.slice(5) : undefined;
  const here = { team, range: period.days <= 2 ? '2d' : period.days <= 7 ? '7d' : period.days <= 31 ? '30d' : '90d' };
  const spent = Object.fromEntries([...(earlier ?? []), ...days].map((each) => [each.date, Number(each.metrics.spend ?? 0)]));
  const expected = forecast(spent);
  return (
    <div className="cols tiles">
      <Tile name="Spend" value={money(spend)} note={changed(spend, then && Number(then.spend ?? 0), period.days)} to="/usage" search={{ range: here.range, scope: scope === 'all' ? undefined : scope }} />
      <Tile name="Month-end forecast" value={expected === null ? '–' : money(expected)} note="at the pace of the last 7 days" to="/usage" search={{ range: 'month' }} />
      <Tile name="Requests" value={requests < 10_000_000 ? count(requests) : compact(requests)} note={changed(requests, then?.api_requests, period.days)} to="/activity" search={here} />
      <Tile name="Answered" value={share(now.successful_requests ?? 0)} note={`refused ${share(refused)}, failed ${share(failed)}`} to="/activity" search={{ ...here, outcome: 'failed' }} />
      <Tile name="Latency, p95" value={duration(latency?.duration_ms.p95)} note={`p50 ${duration(latency?.duration_ms.p50)}, first token ${duration(latency?.ttft_ms.p50)} and ${duration(latency?.ttft_ms.p95)}`} to="/activity" search={{ ...here, sort: 'request_duration_ms' }} />
      <Tile name="Tokens" value={compact(now.total_tokens ?? 0)} note={`${compact(now.prompt_tokens ?? 0)} in (${compact(now.cache_read_input_tokens ?? 0)} cached), ${compact(now.completion_tokens ?? 0)} out`} to="/usage" search={{ range: here.range, measure: 'tokens' }} />
      <Tile name="Uncertain spend" value={money(now.uncertain_spend ?? 0)} note={`${count(now.uncertain_requests ?? 0)} calls to look at`} to="/activity" search={{ ...here, outcome: 'uncertain' }} />
    </div>
  );
}
