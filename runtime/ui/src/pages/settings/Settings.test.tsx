import { cleanup, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Asked, fakeGateway, prepareBrowser, show } from '@/testing/show';
import { CacheSettings } from './CacheSettings';
import { RouterSettings } from './RouterSettings';

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const WRITES = { settings_read: ['all'], settings_write: ['all'] };
const ROUTER = {
  current_values: {},
  unknown_settings: [],
  fields: [
    { field_name: 'routing_strategy', field_type: 'String', field_description: 'How it is chosen', field_value: null, source: 'default', options: ['simple-shuffle', 'least-busy'] },
    { field_name: 'num_retries', field_type: 'Integer', field_description: 'Retries', field_value: 3, source: 'database', options: null },
    { field_name: 'fallbacks', field_type: 'Dictionary', field_description: 'Fallbacks', field_value: [{ a: ['b'] }], source: 'config', options: null },
  ],
};

function changes(asked: readonly Asked[]): unknown[] {
  return asked.filter((each) => each.verb === 'POST').map((each) => each.body);
}

test('a setting of the router is changed by its own field, and a stored one taken away', async () => {
  const asked = fakeGateway(({ verb }) => (verb === 'GET' ? ROUTER : { message: 'ok' }));
  await show(<RouterSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change num_retries' }));
  const field = await screen.findByLabelText('Value');
  await person.clear(field);
  await person.type(field, '5');
  await person.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(changes(asked)).toEqual([{ router_settings: { num_retries: 5 } }]));
  await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await person.click(screen.getByRole('button', { name: 'Change num_retries' }));
  await person.click(await screen.findByRole('button', { name: 'Take the stored value away' }));
  await vi.waitFor(() => expect(changes(asked)[1]).toEqual({ router_settings: { num_retries: null } }));
});

test('settings at their defaults wait behind a button', async () => {
  fakeGateway(() => ROUTER);
  await show(<RouterSettings />, { may: WRITES });
  await screen.findByText('num_retries');
  expect(screen.queryByText('routing_strategy')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Show 1 setting with its default' }));
  screen.getByText('routing_strategy');
});

test('what is not JSON is said before anything is sent, and a refusal is shown in the form', async () => {
  const asked = fakeGateway(({ verb }) => (verb === 'GET' ? ROUTER : new Error('router_settings.fallbacks: no model is called b')));
  await show(<RouterSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change fallbacks' }));
  const field = await screen.findByLabelText('Value');
  await person.clear(field);
  await person.type(field, 'a');
  await person.click(screen.getByRole('button', { name: 'Save' }));
  expect((await screen.findByRole('alert')).textContent).toBe('fallbacks: this is not JSON.');
  expect(changes(asked)).toEqual([]);
  await person.clear(field);
  await person.type(field, '1');
  await person.click(screen.getByRole('button', { name: 'Save' }));
  await screen.findByText('router_settings.fallbacks: no model is called b');
});

test('a stored value that is refused is told with the reason, and taken away', async () => {
  const fields = [{ ...ROUTER.fields[0]!, refused: 'router_settings.routing_strategy: round-robin is none of them' }, ...ROUTER.fields.slice(1)];
  const asked = fakeGateway(({ verb }) => (verb === 'GET' ? { ...ROUTER, fields, unknown_settings: [{ field_name: 'newer', refused: 'router_settings.newer: this version has no such setting' }] } : { message: 'ok' }));
  await show(<RouterSettings />, { may: WRITES });
  const person = userEvent.setup();
  const row = (await screen.findByText('routing_strategy')).closest('tr')!;
  within(row).getByText('stored value refused');
  within(row).getByText(/round-robin is none of them/);
  await person.click(within(row).getByRole('button', { name: 'Change routing_strategy' }));
  const form = await screen.findByRole('dialog');
  within(form).getByText(/round-robin is none of them/);
  await person.click(within(form).getByRole('button', { name: 'Take the stored value away' }));
  await vi.waitFor(() => expect(changes(asked)).toEqual([{ router_settings: { routing_strategy: null } }]));
  await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  screen.getByText('router_settings.newer: this version has no such setting');
  await person.click(screen.getByRole('button', { name: 'Take the stored value of newer away' }));
  await person.click(await screen.findByRole('button', { name: 'Take it away' }));
  await vi.waitFor(() => expect(changes(asked)[1]).toEqual({ router_settings: { newer: null } }));
});

test('an emptied field of a setting that nobody stored is no change, and the form says so', async () => {
  const asked = fakeGateway(() => ROUTER);
  await show(<RouterSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change fallbacks' }));
  const field = await screen.findByLabelText('Value');
  await person.clear(field);
  await person.click(screen.getByRole('button', { name: 'Save' }));
  expect((await screen.findByRole('alert')).textContent).toBe('Nothing is stored for this setting: its value is the config file’s. Enter a value, or cancel.');
  await person.type(field, '1');
  expect(screen.queryByRole('alert')).toBeNull();
  expect(changes(asked)).toEqual([]);
});

test('who may not change settings has no button for it', async () => {
  fakeGateway(() => ROUTER);
  await show(<RouterSettings />, { may: { settings_read: ['all'] } });
  await screen.findByText('num_retries');
  expect(screen.queryByRole('button', { name: 'Change num_retries' })).toBeNull();
});

const CACHE = {
  source: 'database',
  redis_source: null,
  current_values: { type: 'local', ttl: 600 },
  redis_type_descriptions: {},
  fields: [
    { field_name: 'type', field_type: 'String', field_value: 'local', field_default: 'off', field_description: 'Where', options: ['off', 'local', 'postgres', 'redis'], ui_field_name: 'Type' },
    { field_name: 'ttl', field_type: 'Float', field_value: 600, field_default: 600, field_description: 'How long', options: null, ui_field_name: 'TTL, seconds' },
    { field_name: 'host', field_type: 'String', field_value: null, field_default: null, field_description: 'Redis', options: null, ui_field_name: 'Host' },
  ],
};

test('the cache is tried and stored by its form, and what is stored is taken away', async () => {
  const asked = fakeGateway(({ verb, address }) => (verb === 'GET' ? CACHE : address.includes('/test') ? { status: 'failed', message: 'It did not keep an answer.', error: 'no Redis at redis.lan' } : { message: 'ok' }));
  await show(<CacheSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change the cache' }));
  const form = await screen.findByRole('dialog');
  expect(within(form).queryByLabelText('Host')).toBeNull();
  await person.click(within(form).getByRole('combobox', { name: 'Type' }));
  await person.click(await screen.findByRole('option', { name: 'redis' }));
  await person.type(within(form).getByLabelText('Host'), 'redis.lan');
  await person.click(within(form).getByRole('button', { name: 'Try it' }));
  await screen.findByText('no Redis at redis.lan');
  await person.click(within(form).getByRole('button', { name: 'Save' }));
  const made = { cache_settings: { type: 'redis', host: 'redis.lan' } };
  await vi.waitFor(() => expect(changes(asked)).toEqual([made, made]));
  await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await person.click(screen.getByRole('button', { name: 'Change the cache' }));
  await person.click(await screen.findByRole('button', { name: 'Use the config file' }));
  await vi.waitFor(() => expect(changes(asked)[2]).toEqual({ cache_settings: null }));
});

const REDIS = {
  source: 'config',
  current_values: { type: 'redis', ttl: 600, host: 'redis.lan', port: 6379, password: '***REDACTED***' },
  redis_type_descriptions: {},
  fields: [
    { ...CACHE.fields[0]!, field_value: 'redis' },
    CACHE.fields[1]!,
    { ...CACHE.fields[2]!, field_value: 'redis.lan' },
    { ...CACHE.fields[2]!, field_name: 'port', field_type: 'Integer', field_value: 6379, ui_field_name: 'Port' },
    { ...CACHE.fields[2]!, field_name: 'password', field_value: '***REDACTED***', ui_field_name: 'Password' },
  ],
};

test('another TTL sends nothing of the Redis that the environment names', async () => {
  const asked = fakeGateway(({ verb }) => (verb === 'GET' ? { ...REDIS, redis_source: 'environment' } : { message: 'ok' }));
  await show(<CacheSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change the cache' }));
  const form = await screen.findByRole('dialog');
  within(form).getByText(/The environment names Redis: redis.lan:6379/);
  expect(within(form).queryByText(/without a password/)).toBeNull();
  await person.clear(within(form).getByLabelText('TTL, seconds'));
  await person.type(within(form).getByLabelText('TTL, seconds'), '60');
  await person.click(within(form).getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(changes(asked)).toEqual([{ cache_settings: { type: 'redis', ttl: 60 } }]));
});

test('the Redis of the file goes on with its password, and an emptied password is told', async () => {
  const asked = fakeGateway(({ verb }) => (verb === 'GET' ? { ...REDIS, redis_source: 'config' } : new Error('The password has to be typed again.')));
  await show(<CacheSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change the cache' }));
  const form = await screen.findByRole('dialog');
  await person.click(within(form).getByRole('button', { name: 'Save' }));
  const place = { type: 'redis', host: 'redis.lan', port: 6379 };
  await vi.waitFor(() => expect(changes(asked)).toEqual([{ cache_settings: { ...place, password: '***REDACTED***' } }]));
  await within(form).findByText('The password has to be typed again.');
  await person.clear(within(form).getByLabelText('Password'));
  within(form).getByText(/Redis will be asked without a password/);
  expect(within(form).queryByText('The password has to be typed again.')).toBeNull();
  await person.click(within(form).getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(changes(asked)[1]).toEqual({ cache_settings: { ...place, password: null } }));
});

test('what a trial told goes with the next edit, also where it arrives after it', async () => {
  let answers: ((told: unknown) => void)[] = [];
  fakeGateway(({ verb }) => (verb === 'GET' ? { ...REDIS, redis_source: 'config' } : new Promise((resolve) => { answers = [...answers, resolve]; })));
  await show(<CacheSettings />, { may: WRITES });
  const person = userEvent.setup();
  await person.click(await screen.findByRole('button', { name: 'Change the cache' }));
  const form = await screen.findByRole('dialog');
  const ttl = within(form).getByLabelText('TTL, seconds');
  const tries = within(form).getByRole('button', { name: 'Try it' });

  async function tried(): Promise<(told: unknown) => void> {
    const before = answers.length;
    await person.click(tries);
    await vi.waitFor(() => expect(answers.length).toBe(before + 1));
    return answers[before]!;
  }

  (await tried())({ status: 'success', message: 'It was kept.' });
  await within(form).findByText('It was kept.');
  await person.type(ttl, '1');
  expect(within(form).queryByText('It was kept.')).toBeNull();
  for (const late of [{ status: 'success', message: 'An earlier answer.' }, new Error('An earlier refusal.')]) {
    const answer = await tried();
    await person.type(ttl, '2');
    answer(late);
    await person.hover(ttl);
    expect(within(form).queryByText(/earlier/)).toBeNull();
  }
  (await tried())({ status: 'success', message: 'The last answer.' });
  await within(form).findByText('The last answer.');
});
