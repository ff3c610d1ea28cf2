import { expect, test } from 'vitest';
import { type CacheField, type Setting, cacheSettings, counts, enteredOf, formFields, losesPassword, valueOf } from './settings';

function setting(field_type: string, field_value?: unknown): Setting {
  return { field_name: 'a', field_type, field_description: '', field_value };
}

test.each([
  ['Integer', 3, '3'],
  ['Float', 0.5, '0.5'],
  ['Boolean', false, 'false'],
  ['String', 'least-busy', 'least-busy'],
  ['List', ['a', 'b'], ['a', 'b']],
  ['Dictionary', [{ gpt: ['claude'] }], '[\n  {\n    "gpt": [\n      "claude"\n    ]\n  }\n]'],
])('a %s stands in its field, and comes out of it as it was', (type, value, entered) => {
  expect(enteredOf(setting(type, value))).toEqual(entered);
  expect(valueOf(setting(type), entered)).toEqual(value);
});

test('an empty field has no value, and what is no number or JSON is said by name', () => {
  for (const type of ['Integer', 'Boolean', 'String', 'Dictionary']) expect(valueOf(setting(type), enteredOf(setting(type)))).toBeUndefined();
  expect(valueOf(setting('List'), [])).toBeUndefined();
  expect(() => valueOf(setting('Integer'), 'many')).toThrow('a: many is no number.');
  expect(() => valueOf(setting('Dictionary'), '{')).toThrow('a: this is not JSON.');
});

function field(field_name: string, field_type: string, field_default?: unknown, field_value?: unknown): CacheField {
  return { field_name, field_type, field_default, field_value, field_description: '', ui_field_name: '', options: null };
}

const FIELDS = [
  field('type', 'String', 'off'), field('ttl', 'Float', 600), field('supported_call_types', 'List', ['a', 'b']),
  field('max_stored_entries', 'Integer', 200000), field('host', 'String'), field('password', 'String', undefined, '***REDACTED***'),
];

test('only what differs from the defaults and has an effect is stored', () => {
  const all = { ttl: '60', supported_call_types: ['b', 'a'], max_stored_entries: '5', host: 'redis.lan', password: '***REDACTED***' };
  expect(cacheSettings(FIELDS, { ...all, type: 'off' })).toEqual({ type: 'off' });
  expect(cacheSettings(FIELDS, { ...all, type: 'local' })).toEqual({ type: 'local', ttl: 60 });
  expect(cacheSettings(FIELDS, { ...all, type: 'postgres' })).toEqual({ type: 'postgres', ttl: 60, max_stored_entries: 5 });
  expect(cacheSettings(FIELDS, { ...all, ttl: '600', type: 'redis' })).toEqual({ type: 'redis', host: 'redis.lan', password: '***REDACTED***' });
});

test('a password that is taken out of its field is taken away', () => {
  expect(cacheSettings(FIELDS, { type: 'redis', host: 'redis.lan', password: '' })).toEqual({ type: 'redis', host: 'redis.lan', password: null });
  expect(counts('password', 'local')).toBe(false);
});

test('the environment’s Redis stands in no field, and its password is not taken away', () => {
  const fields = [...FIELDS.slice(0, 4), field('host', 'String', undefined, 'env.lan'), FIELDS[5]!, field('residency', 'String', undefined, 'local')];
  const empty = formFields({ fields, redis_source: 'environment' });
  const entered = Object.fromEntries(empty.map((each) => [each.field_name, enteredOf(each as Setting)]));
  expect(cacheSettings(empty, { ...entered, type: 'redis', ttl: '60' })).toEqual({ type: 'redis', ttl: 60, residency: 'local' });
  expect(losesPassword(empty, entered)).toBe(false);
  expect(formFields({ fields, redis_source: 'database' })).toEqual(fields);
  expect(losesPassword(fields, { password: '' })).toBe(true);
  expect(losesPassword(fields, { password: 'typed' })).toBe(false);
});
