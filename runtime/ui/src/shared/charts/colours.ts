/** Eight colours that a colour-blind reader tells apart; the eighth is for everything else. */
export const SERIES = 7;
export const OTHER = 'other';

const STORE = 'series.colours';

function kept(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '{}') as Record<string, number>;
  } catch {
    return {};
  }
}

/** The number of a name's colour, from 1. A name has the same one on every page of this browser. */
export function colourOf(name: string, among: readonly string[] = []): number {
  if (name === OTHER) return 8;
  const numbers = kept();
  const found = numbers[name];
  if (found !== undefined) return found;
  const taken = new Set(among.map((each) => numbers[each]));
  const free = Array.from({ length: SERIES }, (_, n) => n + 1).find((n) => !taken.has(n));
  const number = free ?? (Object.keys(numbers).length % SERIES) + 1;
  if (Object.keys(numbers).length < 200) localStorage.setItem(STORE, JSON.stringify({ ...numbers, [name]: number }));
  return number;
}

/** The value of one of the style sheet's variables, for what is drawn on a canvas. */
export function variable(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export interface Series {
  name: string;
  values: (number | null)[];
}

/** The largest series by their sums, and one of all others together. */
export function largest(series: readonly Series[], most = SERIES): Series[] {
  const sum = (each: Series): number => each.values.reduce<number>((total, value) => total + (value ?? 0), 0);
  const sorted = [...series].sort((a, b) => sum(b) - sum(a)).filter((each) => sum(each) > 0);
  const rest = sorted.slice(most);
  if (rest.length === 0) return sorted;
  const values = (rest[0]?.values ?? []).map((_, n) => rest.reduce((total, each) => total + (each.values[n] ?? 0), 0));
  return [...sorted.slice(0, most), { name: OTHER, values }];
}
