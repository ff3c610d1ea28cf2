import { Button, Group, Modal } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { Card, Chip, Facts } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { SettingInput } from './SettingInput';
import { type Entered, type Setting, cacheSettings, counts, enteredOf, formFields, inOrder, losesPassword, shown } from './settings';
import './settings.css';

type Cache = Schemas['CacheSettings'];

/** The settings of the response cache in force, where they come from, and the form that stores others. */
export function CacheSettings(): ReactNode {
  const me = useMe();
  const found = useGet('/cache/settings');
  const [changes, setChanges] = useState(false);
  const source = found.data && (found.data.source === 'default' ? 'default' : <Chip tone="ok">{found.data.source}</Chip>);
  return (
    <Card title="Response cache" aside={source}>
      <Loaded of={found} rows={4}>
        {(cache) => {
          const kind = String(cache.current_values.type ?? 'off');
          const told = inOrder(cache.fields).filter((field) => counts(field.field_name, kind) && field.field_value !== null && field.field_value !== undefined && field.field_value !== '');
          return (
            <div className="stack">
              {kind === 'off' ? (
                <p style={{ margin: 0 }}>No answer is kept. With a cache the gateway answers a question that it has answered before, at no cost.</p>
              ) : (
                <Facts of={told.map((field) => [field.ui_field_name, <span key={field.field_name} className="mono">{Array.isArray(field.field_value) ? field.field_value.join(', ') : shown(field.field_value)}</span>] as const)} />
              )}
              {may(me, 'settings_write') && <Group><Button variant="default" onClick={() => setChanges(true)}>Change the cache</Button></Group>}
              {changes && <CacheForm cache={cache} onClose={() => setChanges(false)} />}
            </div>
          );
        }}
      </Loaded>
    </Card>
  );
}

function whereRedisIs({ redis_source, current_values: { host, port } }: Cache): string {
  if (redis_source !== 'environment') return 'Without a host the environment says where Redis stands (REDIS_URL, REDIS_HOST).';
  return `The environment names Redis: ${shown(host)}:${shown(port)}. It stays in use, with its password, while host, port, database, username, password and TLS are empty.`;
}

function CacheForm({ cache, onClose }: { cache: Cache; onClose: () => void }): ReactNode {
  const fields = formFields(cache);
  const [entered, setEntered] = useState<Record<string, Entered>>(() => Object.fromEntries(fields.map((field) => [field.field_name, enteredOf(field as Setting)])));
  const [failed, setFailed] = useState('');
  const kind = String(entered.type ?? 'off');
  const refreshes = ['/cache/settings', '/config/hosts', '/health/readiness/details'] as const;
  const save = useChange((cache_settings: Record<string, unknown> | null) => send('post', '/cache/settings', { cache_settings }), { refreshes, says: 'The cache has its new settings', quiet: true, then: onClose });
  const trial = useChange((cache_settings: Record<string, unknown>) => send('post', '/cache/settings/test', { cache_settings }), { quiet: true });
  const shownFields = inOrder(fields).filter((field) => counts(field.field_name, kind));

  /** What was told of the earlier input is no word about this one, also where it arrives later. */
  function edit(name: string, value: Entered): void {
    setFailed('');
    trial.reset();
    setEntered((now) => ({ ...now, [name]: value }));
  }

  function run(change: typeof save | typeof trial): void {
    setFailed('');
    trial.reset();
    try {
      (change as typeof trial).mutate(cacheSettings(fields, entered), { onError: (error) => setFailed(error.message) });
    } catch (error) {
      setFailed((error as Error).message);
    }
  }

  return (
    <Modal opened onClose={onClose} title="Response cache" size={640}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          run(save);
        }}
      >
        <div className="settings-form">
          {shownFields.map((field) => (
            <SettingInput key={field.field_name} of={field as Setting} label={field.ui_field_name} value={entered[field.field_name] ?? ''} onChange={(value) => edit(field.field_name, value)} />
          ))}
        </div>
        {kind === 'redis' && <p className="dim small" style={{ margin: 0 }}>{whereRedisIs(cache)}</p>}
        {kind === 'redis' && losesPassword(fields, entered) && <div className="note warn">The field of the password is empty: Redis will be asked without a password.</div>}
        {trial.data && <div role="status" className={`note ${trial.data.status === 'success' ? 'ok' : 'bad'}`}>{trial.data.error ?? trial.data.message}</div>}
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          {cache.source === 'database' && <Button variant="default" mr="auto" onClick={() => save.mutate(null, { onError: (error) => setFailed(error.message) })}>Use the config file</Button>}
          {kind !== 'off' && <Button variant="default" loading={trial.isPending} onClick={() => run(trial)}>Try it</Button>}
          <Button type="submit" loading={save.isPending}>Save</Button>
        </Group>
      </form>
    </Modal>
  );
}
