/** The ranges of reports, in whole UTC days as the rollups have them. */

export type RangeName = '2d' | '7d' | '30d' | 'month' | '90d';

export const RANGES: readonly { value: RangeName; label: string }[] = [
  { value: '2d', label: '2 d' },
  { value: '7d', label: '7 d' },
  { value: '30d', label: '30 d' },
  { value: 'month', label: 'Month' },
  { value: '90d', label: '90 d' },
];

export interface Period {
  start_date: string;
  end_date: string;
  days: number;
}

const DAY_MS = 86_400_000;

export function isoDay(at: Date): string {
  return at.toISOString().slice(0, 10);
}

function periodTo(end: Date, days: number): Period {
  return { start_date: isoDay(new Date(end.getTime() - (days - 1) * DAY_MS)), end_date: isoDay(end), days };
}

/** The days of a range. The last one is the UTC day under way, as the sums have it. */
export function periodOf(range: string, now = new Date()): Period {
  if (range === '2d') return periodTo(now, 2);
  if (range === '7d') return periodTo(now, 7);
  if (range === '90d') return periodTo(now, 90);
  if (range === 'month') return periodTo(now, now.getUTCDate());
  return periodTo(now, 30);
}

/** The period of the same length just before. */
export function before(period: Period): Period {
  return periodTo(new Date(Date.parse(`${period.start_date}T00:00:00Z`) - DAY_MS), period.days);
}

/** Every day of a period, so that days without a call show as gaps or zeros. */
export function daysOf(period: Period): string[] {
  const first = Date.parse(`${period.start_date}T00:00:00Z`);
  return Array.from({ length: period.days }, (_, n) => isoDay(new Date(first + n * DAY_MS)));
}

/**
 * What the month will have cost at its end: what is spent, and for each day left the mean of the last seven whole days.
 * `spent` has the dollars of each day by its date. Null before the first whole day.
 */
export function forecast(spent: Readonly<Record<string, number>>, now = new Date()): number | null {
  const today = now.getUTCDate();
  const last = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0)).getUTCDate();
  const month = isoDay(now).slice(0, 8);
  const soFar = Array.from({ length: today }, (_, n) => spent[`${month}${String(n + 1).padStart(2, '0')}`] ?? 0);
  const whole = periodTo(new Date(now.getTime() - DAY_MS), 7);
  const known = daysOf(whole).filter((each) => each in spent);
  if (known.length === 0) return null;
  const mean = known.reduce((sum, each) => sum + (spent[each] ?? 0), 0) / known.length;
  const booked = soFar.reduce((sum, each) => sum + each, 0);
  const restOfToday = Math.max(0, mean - (soFar[today - 1] ?? 0));
  return booked + restOfToday + mean * (last - today);
}
