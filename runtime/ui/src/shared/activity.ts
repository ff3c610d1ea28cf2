import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { type Schemas, read } from '@/api/client';
import type { Series } from './charts/colours';
import { type Period, daysOf } from './period';
import type { Filters } from './url';

export type Day = Schemas['ActivityDay'];
export type Metrics = Schemas['Metrics'];
export type Breakdown = 'model_groups' | 'models' | 'providers' | 'endpoints' | 'api_keys' | 'entities';

/** The sum of two sums. */
export function plus(a: Metrics, b: Metrics): Metrics {
  const sum: Record<string, number> = {};
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    sum[name] = Number(a[name as keyof Metrics] ?? 0) + Number(b[name as keyof Metrics] ?? 0);
  }
  return sum as Metrics;
}

interface Asked {
  period: Period;
  /** What each day is broken down by. What is not shown costs the gateway time. */
  parts: readonly Breakdown[];
  scope?: string;
  filters?: Filters;
  by?: 'user' | 'team' | 'tag' | 'organization' | 'customer';
}

/** The sums of each day, of everybody, of a team or of oneself, from the rollups. */
export function useDays({ period, parts, scope = 'all', filters = {}, by }: Asked, userId: string | null, options: { enabled?: boolean } = {}): UseQueryResult<Day[]> {
  const dates = { start_date: period.start_date, end_date: period.end_date };
  const narrow = { model: filters.model, api_key: filters.key, breakdown: parts.join(',') || 'none' };
  const of = { team: filters.team, user: filters.user, tag: filters.tag };
  return useQuery({
    queryKey: ['days', dates, scope, narrow, of, by, userId],
    enabled: options.enabled ?? true,
    queryFn: async ({ signal }) => {
      const team = scope.startsWith('team:') ? scope.slice(5) : filters.team;
      if (by === 'tag') return (await read('/tag/daily/activity/aggregated', { ...dates, ...narrow, tags: filters.tag }, signal)).results;
      if (by === 'organization') return (await read('/organization/daily/activity/aggregated', { ...dates, ...narrow }, signal)).results;
      if (by === 'customer') return (await read('/customer/daily/activity/aggregated', { ...dates, ...narrow }, signal)).results;
      if (team || by === 'team') return (await read('/team/daily/activity/aggregated', { ...dates, ...narrow, team_ids: team }, signal)).results;
      const user = scope === 'me' ? (userId ?? undefined) : filters.user;
      return (await read('/user/daily/activity/aggregated', { ...dates, ...narrow, user_id: user }, signal)).results;
    },
  });
}

const NOTHING = {} as Metrics;

/** The sum of all days. */
export function totalOf(days: readonly Day[]): Metrics {
  return days.reduce((sum, day) => plus(sum, day.metrics), NOTHING);
}

/** One series for each name of a breakdown, with a value for each day of the period. */
export function seriesOf(days: readonly Day[], period: Period, kind: Breakdown, value: (metrics: Metrics) => number | null): Series[] {
  const byDate = new Map(days.map((day) => [day.date, day]));
  const dates = daysOf(period);
  const names = new Set(days.flatMap((day) => Object.keys(day.breakdown[kind] ?? {})));
  return [...names].map((name) => ({
    name: labelOf(days, kind, name),
    values: dates.map((date) => {
      const share = byDate.get(date)?.breakdown[kind]?.[name];
      return share ? value(share.metrics) : 0;
    }),
  }));
}

/** What a name of a breakdown is called: keys by their alias. */
export function labelOf(days: readonly Day[], kind: Breakdown, name: string): string {
  for (const day of days) {
    const share = day.breakdown[kind]?.[name] as { metadata?: Record<string, string | null> } | undefined;
    const told = share?.metadata?.key_alias ?? share?.metadata?.team_alias ?? share?.metadata?.user_alias ?? share?.metadata?.organization_alias ?? share?.metadata?.alias;
    if (told) return told;
    if (share) break;
  }
  return name || 'none';
}

/** The value of each day of the period; null where there was nothing. */
export function line(days: readonly Day[], period: Period, value: (metrics: Metrics) => number | null): (number | null)[] {
  const byDate = new Map(days.map((day) => [day.date, day]));
  return daysOf(period).map((date) => {
    const day = byDate.get(date);
    return day ? value(day.metrics) : null;
  });
}

/** The change from one sum to the next, as a share. Null where there was nothing before. */
export function change(now: number, then: number): number | null {
  return then > 0 ? now / then - 1 : null;
}
