import type { Schemas } from '@/api/client';

/** How a setting is entered: texts of a list, or one text. */
export type Entered = string | string[];

/** What a form knows of a setting, of the router's or of the cache's. */
export interface Setting {
  field_name: string;
  field_type: string;
  field_description: string;
  field_value?: unknown;
  options?: string[] | null;
}

export type CacheField = Schemas['CacheSettingsField'];

export const REDACTED = '***REDACTED***';
const PASSWORD = 'password';
const OF_POSTGRES = ['max_stored_entries', 'max_stored_bytes'];
const OF_PLACE = ['host', 'port', 'db', 'username', PASSWORD, 'ssl'];
const OF_REDIS = [...OF_PLACE, 'residency', 'allow_public_local'];

/** A value as people read it. */
export function shown(value: unknown): string {
  return value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value as it stands in its field. */
export function enteredOf({ field_type, field_value: value }: Setting): Entered {
  if (field_type === 'List') return Array.isArray(value) ? value.map(String) : [];
  if (value === null || value === undefined) return '';
  return field_type === 'Dictionary' ? JSON.stringify(value, null, 2) : shown(value);
}

/** The value that was entered; undefined where the field is empty. Throws for what is no number and no JSON. */
export function valueOf({ field_name, field_type }: Setting, entered: Entered): unknown {
  if (Array.isArray(entered)) return entered.length ? entered : undefined;
  const text = entered.trim();
  if (!text) return undefined;
  if (field_type === 'Boolean') return text === 'true';
  if (field_type === 'Integer' || field_type === 'Float') {
    const number = Number(text);
    if (!Number.isFinite(number)) throw new Error(`${field_name}: ${text} is no number.`);
    return number;
  }
  if (field_type !== 'Dictionary') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error(`${field_name}: this is not JSON.`);
  }
}

/** Whether a setting has a meaning where answers are kept in this way. */
export function counts(name: string, kind: string): boolean {
  if (name === 'type') return true;
  if (kind === 'off') return false;
  if (OF_POSTGRES.includes(name)) return kind === 'postgres';
  return !OF_REDIS.includes(name) || kind === 'redis';
}

/** Where answers are kept stands first, and after it where Redis is. */
export function inOrder(fields: readonly CacheField[]): CacheField[] {
  const rank = ({ field_name }: CacheField): number => (field_name === 'type' ? 0 : OF_REDIS.includes(field_name) ? 1 : 2);
  return [...fields].sort((a, b) => rank(a) - rank(b));
}

/** The fields of the form. Those of the environment's Redis are empty: what stands in them would be stored in its place. */
export function formFields({ fields, redis_source }: Pick<Schemas['CacheSettings'], 'fields' | 'redis_source'>): CacheField[] {
  if (redis_source !== 'environment') return [...fields];
  return fields.map((field) => (OF_PLACE.includes(field.field_name) ? { ...field, field_value: null } : field));
}

/** Whether Redis had a password that is taken out of its field. */
export function losesPassword(fields: readonly CacheField[], entered: Readonly<Record<string, Entered>>): boolean {
  return !entered[PASSWORD] && fields.some((field) => field.field_name === PASSWORD && field.field_value === REDACTED);
}

/** The settings of the cache to store: those that differ from the defaults. What has no effect would be refused. */
export function cacheSettings(fields: readonly CacheField[], entered: Readonly<Record<string, Entered>>): Record<string, unknown> {
  const kind = String(entered.type ?? 'off');
  const made: Record<string, unknown> = {};
  for (const field of fields) {
    const name = field.field_name;
    if (!counts(name, kind)) continue;
    const value = valueOf(field as Setting, entered[name] ?? '');
    if (name === 'type') made.type = kind;
    else if (name === PASSWORD) {
      if (value !== undefined) made[name] = value;
      else if (field.field_value === REDACTED) made[name] = null;
    } else if (value !== undefined && !same(value, field.field_default)) made[name] = value;
  }
  return made;
}

function same(one: unknown, other: unknown): boolean {
  const ordered = (value: unknown): unknown => (Array.isArray(value) ? [...value].sort() : value);
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}
