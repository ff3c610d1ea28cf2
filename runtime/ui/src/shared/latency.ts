import type { UseQueryResult } from '@tanstack/react-query';
import { type Schemas, useGet } from '@/api/client';
import { seesAll, useMe } from '@/api/me';
import { timed } from './format';
import { type Period, daysOf } from './period';

export type Timed = Schemas['TimedCalls'];
export type Percentiles = Schemas['Percentiles'];
export type LatencyGroup = 'none' | 'model' | 'team' | 'key' | 'user' | 'provider';

interface Asked {
  period: Period;
  step: 'hour' | 'day' | 'total';
  by?: LatencyGroup;
  /** `all`, `me` or `team:<id>`. */
  scope?: string;
  model?: string;
  team?: string;
  key?: string;
  user?: string;
}

/** What the percentiles are asked for with. */
export function latencyQuery({ period, step, by = 'none', scope = 'all', ...filters }: Asked, userId: string | null): Record<string, string | undefined> {
  return {
    start_date: period.start_date,
    end_date: period.end_date,
    step,
    by,
    model: filters.model,
    api_key: filters.key,
    team_id: scope.startsWith('team:') ? scope.slice(5) : filters.team,
    user_id: scope === 'me' ? (userId ?? undefined) : filters.user,
  };
}

/** Percentiles of durations, out of the histograms of the rollups. */
export function useLatency(asked: Asked, options: { enabled?: boolean } = {}): UseQueryResult<Schemas['LatencyReport']> {
  const me = useMe();
  return useGet('/spend/latency', latencyQuery(asked, me.user_id), { ...options, everyMs: seesAll(me) ? 60_000 : undefined });
}

/** The steps of a period, as the report names them: its days, or its hours up to the one under way. */
export function stepsOf(period: Period, step: 'hour' | 'day', now = new Date()): string[] {
  const days = daysOf(period);
  if (step === 'day') return days;
  const last = now.toISOString().slice(0, 13);
  return days.flatMap((day) => Array.from({ length: 24 }, (_, hour) => `${day}T${String(hour).padStart(2, '0')}`)).filter((at) => at <= last);
}

/** A value for each step; null where nothing was timed. */
export function timeline(results: readonly Timed[], steps: readonly string[], value: (timed: Timed) => number | null | undefined): (number | null)[] {
  const found = new Map(results.map((each) => [each.at, each]));
  return steps.map((at) => {
    const timed = found.get(at);
    return timed ? (value(timed) ?? null) : null;
  });
}

/** A series for each group, those with the most calls first. */
export function seriesByGroup(results: readonly Timed[], steps: readonly string[], most: number, value: (timed: Timed) => number | null | undefined): { name: string; values: (number | null)[] }[] {
  const groups = new Map<string, Timed[]>();
  for (const each of results) groups.set(each.group, [...(groups.get(each.group) ?? []), each]);
  const calls = (of: readonly Timed[]): number => of.reduce((sum, each) => sum + (each.duration_ms.calls ?? 0), 0);
  return [...groups.values()]
    .sort((a, b) => calls(b) - calls(a))
    .slice(0, most)
    .map((of) => ({ name: of[0]!.name ?? (of[0]!.group || 'none'), values: timeline(of, steps, value) }));
}

/** The label of a step: the day, or the hour in local time. */
export function stepLabel(at: string): string {
  const hour = at.length > 10;
  const shown = timed(hour ? { weekday: 'short', hour: '2-digit', minute: '2-digit' } : { timeZone: 'UTC', day: 'numeric', month: 'short' });
  return shown.format(new Date(hour ? `${at}:00:00Z` : `${at}T00:00:00Z`));
}
