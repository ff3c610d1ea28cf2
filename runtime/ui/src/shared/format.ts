/** Numbers, money, times and sizes as people read them, in the browser's locale. */

const NONE = '–';

type Amount = number | string | null | undefined;

const numbers = new Map<string, Intl.NumberFormat>();
const dates = new Map<string, Intl.DateTimeFormat>();

/** A format of numbers. Each is made once: making one takes longer than a hundred uses, and a table has hundreds of numbers. */
function numeric(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = JSON.stringify(options);
  const found = numbers.get(name) ?? new Intl.NumberFormat(undefined, options);
  numbers.set(name, found);
  return found;
}

/** A format of times, likewise made once. */
export function timed(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = JSON.stringify(options);
  const found = dates.get(name) ?? new Intl.DateTimeFormat(undefined, options);
  dates.set(name, found);
  return found;
}

/** Dollars: two digits after the point, and below a cent to the first two digits that differ from zero. */
export function money(amount: Amount, options: { exact?: boolean } = {}): string {
  if (amount === null || amount === undefined) return NONE;
  const value = Number(amount);
  if (!Number.isFinite(value)) return NONE;
  if (value === 0) return '$0';
  const size = Math.abs(value);
  let digits = 2;
  if (options.exact) digits = 6;
  else if (size < 1) digits = Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(size))));
  const shown = numeric({
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: Math.min(digits, options.exact ? 6 : 2),
    maximumFractionDigits: options.exact ? 9 : digits,
  }).format(size);
  return value < 0 ? `−${shown}` : shown;
}

/** A whole number with the locale's separators. */
export function count(value: Amount): string {
  return value === null || value === undefined ? NONE : numeric({}).format(Number(value));
}

/** A large number in few characters: `1.28M`. */
export function compact(value: Amount): string {
  if (value === null || value === undefined) return NONE;
  return numeric({ notation: 'compact', maximumSignificantDigits: 3 }).format(Number(value));
}

/** A share of one, in percent. */
export function percent(share: number | null | undefined, digits = 1): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NONE;
  return `${numeric({ maximumFractionDigits: digits }).format(share * 100)} %`;
}

/** Milliseconds: `3 ms`, `0.41 s`, `11.4 s`, `2 min 5 s`. */
export function duration(ms: Amount): string {
  if (ms === null || ms === undefined) return NONE;
  const value = Number(ms);
  if (value < 100) return `${Math.round(value)} ms`;
  if (value < 10_000) return `${(value / 1000).toFixed(2)} s`;
  if (value < 90_000) return `${(value / 1000).toFixed(1)} s`;
  return `${Math.floor(value / 60_000)} min ${Math.round((value % 60_000) / 1000)} s`;
}

/** A text as the gateway sends times: UTC, with or without the letter Z. */
export function moment(text: string): Date {
  return new Date(/[zZ]$|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`);
}

/** How long ago, or how far ahead, a time is: `4 min ago`, `in 3 d`. */
export function relative(text: string | null | undefined, now = Date.now()): string {
  if (!text) return NONE;
  const ahead = moment(text).getTime() - now;
  const size = Math.abs(ahead) / 1000;
  let told = `${Math.round(size / 86_400)} d`;
  if (size < 45) told = 'moments';
  else if (size < 5_400) told = `${Math.max(1, Math.round(size / 60))} min`;
  else if (size < 129_600) told = `${Math.round(size / 3_600)} h`;
  else if (size > 86_400 * 90) return day(text);
  return ahead > 0 ? `in ${told}` : `${told} ago`;
}

/** A day in the locale's short form. */
export function day(text: string | null | undefined): string {
  if (!text) return NONE;
  const whole = text.length === 10;
  return timed({ timeZone: whole ? 'UTC' : undefined, day: 'numeric', month: 'short', year: 'numeric' }).format(moment(whole ? `${text}T00:00:00` : text));
}

/** The time of a day, with the day where it is not today. */
export function clock(text: string | null | undefined, now = new Date()): string {
  if (!text) return NONE;
  const at = moment(text);
  const time = timed({ hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at);
  if (at.toDateString() === now.toDateString()) return time;
  return `${timed({ day: 'numeric', month: 'short' }).format(at)} ${time}`;
}

/** The exact time in UTC, for a hover. */
export function utc(text: string | null | undefined): string {
  return text ? moment(text).toISOString().replace('T', ' ').replace('Z', ' UTC') : NONE;
}

/** An id with its middle cut out. */
export function cut(id: string, keeps = 5): string {
  return id.length <= keeps * 2 + 3 ? id : `${id.slice(0, keeps)}…${id.slice(-keeps)}`;
}

/** Bytes in the largest unit that fits. */
export function bytes(value: Amount): string {
  if (value === null || value === undefined) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = Number(value);
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** `3 keys`, `1 key`. */
export function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}
