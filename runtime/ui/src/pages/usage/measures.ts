import { type Breakdown, type Day, type Metrics, labelOf, plus } from '@/shared/activity';
import { compact, count, duration, money } from '@/shared/format';
import type { LatencyGroup } from '@/shared/latency';

export interface Measure {
  value: string;
  label: string;
  of: (metrics: Metrics) => number | null;
  format: (value: number) => string;
  /** Whether values of several days or models can be added. */
  adds: boolean;
}

/** What can be measured. Percentiles do not come from the sums: lines are in the order of the calls that were timed. */
export const MEASURES: readonly Measure[] = [
  { value: 'cost', label: 'Cost', of: (each) => Number(each.spend ?? 0), format: (value) => money(value), adds: true },
  { value: 'requests', label: 'Requests', of: (each) => each.api_requests ?? 0, format: compact, adds: true },
  { value: 'tokens', label: 'Tokens', of: (each) => each.total_tokens ?? 0, format: compact, adds: true },
  { value: 'errors', label: 'Not answered', of: (each) => each.failed_requests ?? 0, format: count, adds: true },
  { value: 'latency', label: 'p95 latency', of: (each) => each.timed_requests ?? 0, format: duration, adds: false },
];

export type Group = 'model' | 'provider' | 'team' | 'user' | 'key' | 'tag' | 'organization' | 'customer' | 'endpoint';

/** What can be grouped by: where the report has the names, and whose report it is. */
export const GROUPS: Readonly<Record<Group, { label: string; kind: Breakdown; by?: 'team' | 'tag' | 'organization' | 'customer'; filter?: string; everybody?: boolean; timed?: LatencyGroup }>> = {
  model: { label: 'model', kind: 'model_groups', filter: 'model', timed: 'model' },
  provider: { label: 'provider', kind: 'providers', timed: 'provider' },
  team: { label: 'team', kind: 'entities', by: 'team', filter: 'team', timed: 'team' },
  user: { label: 'user', kind: 'entities', filter: 'user', timed: 'user' },
  key: { label: 'key', kind: 'api_keys', filter: 'key', timed: 'key' },
  tag: { label: 'tag', kind: 'entities', by: 'tag', filter: 'tag' },
  organization: { label: 'organization', kind: 'entities', by: 'organization', everybody: true },
  customer: { label: 'customer', kind: 'entities', by: 'customer', everybody: true },
  endpoint: { label: 'endpoint', kind: 'endpoints' },
};

export interface Line {
  id: string;
  name: string;
  metrics: Metrics;
}

/** One line for each name, with its sum over all days, the largest first. */
export function linesOf(days: readonly Day[], kind: Breakdown, measure: Measure): Line[] {
  const sums = new Map<string, Metrics>();
  for (const day of days) {
    for (const [name, share] of Object.entries(day.breakdown[kind] ?? {})) {
      sums.set(name, plus(sums.get(name) ?? ({} as Metrics), share.metrics));
    }
  }
  return [...sums.entries()]
    .map(([id, metrics]) => ({ id, name: labelOf(days, kind, id), metrics }))
    .sort((a, b) => (measure.of(b.metrics) ?? 0) - (measure.of(a.metrics) ?? 0));
}

/** A cell of a CSV file. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
export function cell(value: string | number): string {
  const text = typeof value === 'number' ? String(value) : /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The lines as a CSV file. */
export function csvOf(lines: readonly Line[], group: string): string {
  const head = [group, 'id', 'cost_usd', 'requests', 'failed_requests', 'prompt_tokens', 'completion_tokens', 'cached_tokens'];
  const rows = lines.map(({ id, name, metrics: each }) =>
    [name, id, Number(each.spend ?? 0), each.api_requests ?? 0, each.failed_requests ?? 0, each.prompt_tokens ?? 0, each.completion_tokens ?? 0, each.cache_read_input_tokens ?? 0].map(cell).join(','),
  );
  return [head.join(','), ...rows, ''].join('\r\n');
}

/** Have the browser keep a text as a file. */
export function saveFile(name: string, text: string, kind = 'text/csv'): void {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
