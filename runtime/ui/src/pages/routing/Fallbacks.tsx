import { Button, MultiSelect, Select } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';

const KINDS: readonly (readonly [string, string, string])[] = [
  ['fallbacks', 'general', 'any failure'],
  ['context_window_fallbacks', 'context_window', 'a prompt that is too long'],
  ['content_policy_fallbacks', 'content_policy', 'a refusal by content policy'],
];

interface Line {
  model: string;
  to: string[];
  kind: string;
  word: string;
}

function linesOf(fields: readonly Schemas['SettingField'][]): Line[] {
  return KINDS.flatMap(([name, kind, word]) => {
    const value = fields.find((field) => field.field_name === name)?.field_value as Record<string, string[]>[] | null | undefined;
    return (value ?? []).flatMap((each) => Object.entries(each).map(([model, to]) => ({ model, to, kind, word })));
  });
}

/** Where calls of a model go when it fails. Changes count on all workers at once. */
export function Fallbacks({ fields }: { fields: readonly Schemas['SettingField'][] }): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const [model, setModel] = useState<string | null>(null);
  const [to, setTo] = useState<string[]>([]);
  const known = useGet('/v1/models');
  const names = [...new Set((known.data?.data ?? []).map((card) => card.id))];
  const add = useChange(() => send('post', '/fallback', { model: model ?? '', fallback_models: to, fallback_type: 'general' }), { refreshes: ['/router/settings'], says: 'The fallback is in force', then: () => { setModel(null); setTo([]); } });
  const remove = useChange((line: Line) => send('delete', '/fallback/{model}', { fallback_type: line.kind }, { model: line.model }), { refreshes: ['/router/settings'], says: 'The fallback is gone', quiet: true });
  const lines = linesOf(fields);
  const writes = may(me, 'settings_write');
  return (
    <div className="stack" style={{ gap: 10 }}>
      {lines.length === 0 ? (
        <p className="dim small" style={{ margin: 0 }}>There are none: a call ends with the error of its last attempt.</p>
      ) : (
        <table className="plain wrap">
          <thead><tr><th>Model</th><th>Then</th><th>After</th>{writes && <th />}</tr></thead>
          <tbody>
            {lines.map((line) => (
              <tr key={`${line.kind} ${line.model}`}>
                <td>{line.model}</td>
                <td>{line.to.join(', then ')}</td>
                <td className="dim">{line.word}</td>
                {writes && <td className="num"><Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Remove the fallback', effect: <>When <strong>{line.model}</strong> fails, its calls will fail.</>, action: 'Remove', run: () => remove.mutateAsync(line) })}>Remove</Button></td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {writes && (
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            add.mutate(undefined);
          }}
        >
          <Select size="xs" w={140} aria-label="Model that fails" placeholder="Model" searchable data={names} value={model} onChange={setModel} />
          <MultiSelect size="xs" aria-label="Models that come next" placeholder={to.length ? '' : 'then'} searchable data={names.filter((name) => name !== model)} value={to} onChange={setTo} style={{ flex: 1, minWidth: 120 }} />
          <Button type="submit" disabled={!model || to.length === 0} loading={add.isPending}>Add</Button>
        </form>
      )}
    </div>
  );
}
