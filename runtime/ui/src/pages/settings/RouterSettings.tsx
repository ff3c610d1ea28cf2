import { Button, Group, Modal } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { plural } from '@/shared/format';
import { useConfirm } from '@/shared/confirm';
import { Card, Chip } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { SettingInput } from './SettingInput';
import { type Entered, type Setting, enteredOf, shown, valueOf } from './settings';
import './settings.css';

type Field = Schemas['SettingField'];

const REFRESHES = ['/router/settings', '/config/hosts', '/model/info'] as const;

const change = (name: string, value: unknown): Promise<unknown> => send('post', '/config/update', { router_settings: { [name]: value } });

/** The settings of the router, where each value comes from, and a form for each. */
export function RouterSettings(): ReactNode {
  const me = useMe();
  const settings = useGet('/router/settings');
  const [changes, setChanges] = useState<Field | null>(null);
  const [all, setAll] = useState(false);
  const writes = may(me, 'settings_write');
  return (
    <Card title="Router settings" aside="stored values count first">
      <Loaded of={settings} rows={10}>
        {({ fields, unknown_settings: unknown }) => {
          const made = fields.filter(isMade);
          const rest = fields.length - made.length;
          const rows = made.length + unknown.length;
          return (
            <div className="stack">
              {rows === 0 && !all && <p className="dim" style={{ margin: 0 }}>Nobody has made a setting: all have their defaults.</p>}
              <table className="plain wrap settings">
                {(all || rows > 0) && <thead><tr><th>Setting</th><th>Value</th><th>From</th>{writes && <th aria-label="Change" />}</tr></thead>}
                <tbody>
                  {(all ? [...made, ...fields.filter((field) => !isMade(field))] : made).map((field) => (
                    <tr key={field.field_name}>
                      <td><span className="mono name">{field.field_name}</span><div className="dim small">{field.field_description}</div>{hasRefused(field) && <div className="small"><Chip tone="bad">stored value refused</Chip> {field.refused}</div>}</td>
                      <td className="mono">{shown(field.field_value) || <span className="dim">not set</span>}</td>
                      <td>{field.source === 'default' ? <span className="dim">default</span> : <Chip tone="ok">{field.source}</Chip>}</td>
                      {writes && <td className="num"><Button size="compact-xs" variant="subtle" aria-label={`Change ${field.field_name}`} onClick={() => setChanges(field)}>Change</Button></td>}
                    </tr>
                  ))}
                  {unknown.map((each) => <UnknownRow key={each.field_name} of={each} writes={writes} />)}
                </tbody>
              </table>
              {rest > 0 && <Group><Button size="compact-sm" variant="subtle" aria-expanded={all} onClick={() => setAll(!all)}>{all ? 'Hide the defaults' : `Show ${plural(rest, 'setting')} with ${rest === 1 ? 'its default' : 'their defaults'}`}</Button></Group>}
            </div>
          );
        }}
      </Loaded>
      {changes && <ChangeSetting field={changes} onClose={() => setChanges(null)} />}
    </Card>
  );
}

/** Whether a value is stored that is not in force. */
function hasRefused({ refused }: Field): boolean {
  return refused !== null && refused !== undefined;
}

function isMade(field: Field): boolean {
  return field.source !== 'default' || hasRefused(field);
}

/** A stored setting that this version does not know. */
function UnknownRow({ of: { field_name: name, refused }, writes }: { of: Schemas['UnknownSetting']; writes: boolean }): ReactNode {
  const confirm = useConfirm();
  const remove = useChange(() => change(name, null), { refreshes: REFRESHES, says: 'The stored value is gone', quiet: true });
  return (
    <tr>
      <td><span className="mono name">{name}</span><div className="small">{refused}</div></td>
      <td><span className="dim">not in force</span></td>
      <td><Chip tone="bad">refused</Chip></td>
      {writes && <td className="num"><Button size="compact-xs" variant="subtle" aria-label={`Take the stored value of ${name} away`} onClick={() => confirm({ title: 'Take the stored value away', effect: <>Hosts of a version that knows <strong>{name}</strong> lose its stored value. Nothing changes here, where it is not in force.</>, action: 'Take it away', run: () => remove.mutateAsync(undefined) })}>Take away</Button></td>}
    </tr>
  );
}

function ChangeSetting({ field, onClose }: { field: Field; onClose: () => void }): ReactNode {
  const setting = field as Setting;
  const [entered, setEntered] = useState(() => enteredOf(setting));
  const [failed, setFailed] = useState('');
  const save = useChange((value: unknown) => change(field.field_name, value), {
    refreshes: REFRESHES,
    says: (_, value) => (value === null ? 'The stored value is gone' : 'The setting is in force'),
    quiet: true,
    then: onClose,
  });
  const stored = field.source === 'database' || hasRefused(field);

  function submit(value: unknown): void {
    setFailed('');
    save.mutate(value, { onError: (error) => setFailed(error.message) });
  }

  function edit(value: Entered): void {
    setFailed('');
    setEntered(value);
  }

  function submitEntered(): void {
    try {
      const value = valueOf(setting, entered);
      if (value !== undefined || stored) submit(value ?? null);
      else setFailed(`Nothing is stored for this setting: ${field.source === 'config' ? 'its value is the config file’s' : 'it has its default'}. Enter a value, or cancel.`);
    } catch (error) {
      setFailed((error as Error).message);
    }
  }

  return (
    <Modal opened onClose={onClose} title={<>Change <span className="mono">{field.field_name}</span></>}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submitEntered();
        }}
      >
        {hasRefused(field) && <div className="note bad">A value is stored and not in force: {field.refused}</div>}
        <SettingInput of={setting} label="Value" value={entered} onChange={edit} />
        <p className="dim small" style={{ margin: 0 }}>It is in force at once here, and within a second at all workers of all hosts. Calls under way end as they began.</p>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          {stored && <Button variant="default" mr="auto" onClick={() => submit(null)}>Take the stored value away</Button>}
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={save.isPending}>Save</Button>
        </Group>
      </form>
    </Modal>
  );
}
