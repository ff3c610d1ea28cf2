import { Button, Group, Modal } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { plural } from '@/shared/format';
import { Card, Chip } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { SettingInput } from './SettingInput';
import { type Setting, enteredOf, shown, valueOf } from './settings';
import './settings.css';

type Field = Schemas['SettingField'];

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
        {({ fields }) => {
          const made = fields.filter((field) => field.source !== 'default');
          const rest = fields.length - made.length;
          return (
            <div className="stack">
              {made.length === 0 && !all && <p className="dim" style={{ margin: 0 }}>Nobody has made a setting: all have their defaults.</p>}
              <table className="plain wrap settings">
                {(all || made.length > 0) && <thead><tr><th>Setting</th><th>Value</th><th>From</th>{writes && <th aria-label="Change" />}</tr></thead>}
                <tbody>
                  {(all ? [...made, ...fields.filter((field) => field.source === 'default')] : made).map((field) => (
                    <tr key={field.field_name}>
                      <td><span className="mono name">{field.field_name}</span><div className="dim small">{field.field_description}</div></td>
                      <td className="mono">{shown(field.field_value) || <span className="dim">not set</span>}</td>
                      <td>{field.source === 'default' ? <span className="dim">default</span> : <Chip tone="ok">{field.source}</Chip>}</td>
                      {writes && <td className="num"><Button size="compact-xs" variant="subtle" aria-label={`Change ${field.field_name}`} onClick={() => setChanges(field)}>Change</Button></td>}
                    </tr>
                  ))}
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

function ChangeSetting({ field, onClose }: { field: Field; onClose: () => void }): ReactNode {
  const setting = field as Setting;
  const [entered, setEntered] = useState(() => enteredOf(setting));
  const [failed, setFailed] = useState('');
  const change = useChange((value: unknown) => send('post', '/config/update', { router_settings: { [field.field_name]: value } }), {
    refreshes: ['/router/settings', '/config/hosts', '/model/info'],
    says: 'The setting is in force',
    quiet: true,
    then: onClose,
  });
  const stored = field.source === 'database';

  function submit(value: unknown): void {
    setFailed('');
    change.mutate(value, { onError: (error) => setFailed(error.message) });
  }

  function save(): void {
    try {
      const value = valueOf(setting, entered);
      if (value === undefined && !stored) onClose();
      else submit(value ?? null);
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
          save();
        }}
      >
        <SettingInput of={setting} label="Value" value={entered} onChange={setEntered} />
        <p className="dim small" style={{ margin: 0 }}>It is in force at once here, and within a second at all workers of all hosts. Calls under way end as they began.</p>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          {stored && <Button variant="default" mr="auto" onClick={() => submit(null)}>Take the stored value away</Button>}
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={change.isPending}>Save</Button>
        </Group>
      </form>
    </Modal>
  );
}
