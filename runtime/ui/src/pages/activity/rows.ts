import type { Schemas } from '@/api/client';
import type { Filters } from '@/shared/url';
import { money } from '@/shared/format';
import { periodOf } from '@/shared/period';

export type LogRow = Schemas['SpendLog'];

interface RouteRecord {
  strategy?: string;
  model?: string;
  id?: string;
  of?: number;
  retries?: number;
  fallbacks?: number;
  more?: number;
  passed_over?: { model: string; id?: string; why: string; detail?: string }[];
}

/** Why the attempt went where it went. Rows of refused calls have none. */
export function routeOf(row: LogRow): RouteRecord {
  const route = row.metadata.route as RouteRecord | undefined;
  return route ?? {};
}

/** How many attempts the call had, this one included. */
export function attemptsOf(row: LogRow): number {
  const route = routeOf(row);
  return row.outcome === 'refused' ? 0 : 1 + (route.retries ?? 0) + (route.fallbacks ?? 0);
}

/** How long the first token took, in milliseconds. */
export function firstTokenOf(row: LogRow): number | null {
  return row.completionStartTime ? Date.parse(row.completionStartTime) - Date.parse(row.startTime) : null;
}

/** What the page's filters mean to the log. */
export function logQuery(filters: Filters): Record<string, string | undefined> {
  const period = periodOf(filters.range ?? '7d');
  const day = filters.day;
  return {
    start_date: day ?? period.start_date,
    end_date: day ?? period.end_date,
    outcome: filters.outcome,
    team_id: filters.team,
    user_id: filters.user,
    api_key: filters.key,
    model_group: filters.model,
    end_user: filters.customer,
    organization_id: filters.organization,
    tag: filters.tag,
    error_code: filters.error,
    min_spend: filters.min,
    search: filters.q,
  };
}

/** How many of the newest rows are not in the list yet. */
export function newer(newest: readonly LogRow[], shown: readonly LogRow[]): number {
  const known = new Set(shown.slice(0, newest.length).map((row) => row.request_id));
  const place = newest.findIndex((row) => known.has(row.request_id));
  return place < 0 ? newest.length : place;
}

interface Line {
  name: string;
  tokens: number | null;
  amount: number;
}

/** The parts of a cost: each meter with its tokens and its amount. Their sum is the whole cost. */
export function costLines(row: LogRow): Line[] {
  const parts = row.metadata.cost_breakdown;
  if (!parts) return [];
  const n = (value: unknown): number => Number(value ?? 0);
  const reading = n(parts.cache_read_cost);
  const written = n(parts.cache_creation_cost);
  const reasoning = n(parts.reasoning_cost);
  const usage = row.metadata.usage_object;
  const read = usage?.cache_read_input_tokens ?? row.cached_tokens;
  const wrote = usage?.cache_creation_input_tokens ?? row.cache_write_tokens;
  const lines: Line[] = [
    { name: 'Input', tokens: row.prompt_tokens - read - wrote, amount: n(parts.input_cost) - reading - written },
    { name: 'Input, cached', tokens: read, amount: reading },
    { name: 'Input, written to the cache', tokens: wrote, amount: written },
    { name: 'Output', tokens: row.completion_tokens - (reasoning ? row.reasoning_tokens : 0), amount: n(parts.output_cost) - reasoning },
    { name: 'Reasoning', tokens: reasoning ? row.reasoning_tokens : 0, amount: reasoning },
    { name: 'Tools of the provider', tokens: null, amount: n(parts.tool_usage_cost) },
    ...Object.entries(parts.additional_costs ?? {}).map(([name, cost]) => ({ name: name === 'request_cost' ? 'Each request' : name === 'time_cost' ? 'Seconds' : name, tokens: null, amount: n(cost) })),
  ];
  return lines.filter((line) => line.amount > 0 || (line.tokens ?? 0) > 0);
}

/** Dollars for a million tokens, as the amount says it. */
export function rateOf(line: Line): number | null {
  return line.tokens ? (line.amount / line.tokens) * 1e6 : null;
}

/** What was held for a request, and what became of it. */
export function heldInWords(held: number | string, spend: number | string): string {
  const [before, cost] = [Number(held), Number(spend)];
  if (cost > before) return `${money(held, { exact: true })} was held of each budget before the request was sent. It cost ${money(cost - before, { exact: true })} more: the provider went over the bound.`;
  return `${money(held, { exact: true })} was held of each budget before the request was sent, and ${money(before - cost, { exact: true })} of it was given back.`;
}
