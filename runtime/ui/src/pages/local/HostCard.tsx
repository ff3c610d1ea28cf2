import { Button, Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { type Schemas, send, useChange } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { bytes, compact, duration } from '@/shared/format';
import { Card, Chip, Facts, Meter } from '@/shared/parts';
import { Pull } from './Pull';

type Host = Schemas['LocalHostState'];
type HostModel = Schemas['HostModel'];

/** The bytes of what a host has loaded. */
export function loadedBytes(models: readonly HostModel[]): number {
  return models.reduce((sum, each) => sum + (each.loaded ? (each.vram_bytes ?? each.size_bytes ?? 0) : 0), 0);
}

/** A host of local models: how it stands, what it has, and what can be done with it. */
export function HostCard({ of }: { of: Host }): ReactNode {
  const me = useMe();
  const manages = may(me, 'settings_write') && of.kind === 'ollama';
  const models = of.models ?? [];
  const loaded = loadedBytes(models);
  return (
    <Card title={<span className="mono">{of.name}</span>} aside={of.up ? <Chip tone="ok">answers</Chip> : <Chip tone="bad" title={of.error}>does not answer</Chip>}>
      <div className="stack">
        <Facts
          of={[
            ['Address', <span key="a" className="mono">{of.api_base}</span>],
            ['Kind', [of.kind, of.version].filter(Boolean).join(' ')],
            ['Does not answer', !of.up && of.error],
            ['Memory', of.memory_bytes !== null && of.memory_bytes !== undefined && <span key="m" className="row"><span style={{ width: 120 }}><Meter of={loaded / of.memory_bytes} /></span>{bytes(loaded)} of {bytes(of.memory_bytes)} loaded</span>],
            ['Slots', of.slots !== null && of.slots !== undefined && `${of.slots_busy ?? 0} of ${of.slots} busy`],
            ['Waiting', of.waiting !== null && of.waiting !== undefined && `${of.waiting} on the host`],
            ['Called as', (of.public_names ?? []).join(', ')],
          ]}
        />
        {(of.warnings ?? []).map((each) => <div key={each} className="note warn">{each}</div>)}
        {models.length > 0 ? (
          <div style={{ overflowX: 'auto' }}>
            <table className="plain">
              <thead><tr><th>Model</th><th>State</th><th className="num">Size</th><th className="num">Context</th>{manages && <th className="num">Do</th>}</tr></thead>
              <tbody>{models.map((each) => <ModelRow key={each.name} host={of.name} of={each} manages={manages} />)}</tbody>
            </table>
          </div>
        ) : (
          <p className="dim small">{of.up ? 'No models on it yet.' : 'What it has is not known while it does not answer.'}</p>
        )}
        {manages && <Pull host={of.name} />}
      </div>
    </Card>
  );
}

function ModelRow({ host, of, manages }: { host: string; of: HostModel; manages: boolean }): ReactNode {
  const confirm = useConfirm();
  const body = { model: of.name, host };
  const load = useChange(() => send('post', of.loaded ? '/local/unload' : '/local/load', body), { refreshes: ['/local/hosts'], says: of.loaded ? 'Taken out of memory' : 'Loaded' });
  const remove = useChange(() => send('post', '/local/delete', body), { refreshes: ['/local/hosts', '/model/info'], says: 'Deleted', quiet: true });
  return (
    <tr>
      <td className="mono">{of.name}</td>
      <td><State of={of} /></td>
      <td className="num">{bytes(of.size_bytes)}</td>
      <td className="num">{of.context ? compact(of.context) : ''}</td>
      {manages && (
        <td className="num">
          <Group gap={4} justify="flex-end" wrap="nowrap">
            {!of.remote && <Button size="compact-xs" variant="subtle" loading={load.isPending} onClick={() => load.mutate(undefined)}>{of.loaded ? 'Unload' : 'Load'}</Button>}
            <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Delete the model', effect: <>The files of <strong>{of.name}</strong> go from <strong>{host}</strong>. Models of the registry that call it stay, and fail until it is pulled again.</>, action: 'Delete', run: () => remove.mutateAsync(undefined) })}>Delete</Button>
          </Group>
        </td>
      )}
    </tr>
  );
}

function State({ of }: { of: HostModel }): ReactNode {
  if (of.remote) return <Chip tone="warn" title="The host passes it on to another one">not local</Chip>;
  if (of.loaded) return <Chip tone="ok">loaded{of.left_s !== null && of.left_s !== undefined ? `, ${duration(of.left_s * 1000)} left` : ''}</Chip>;
  return of.loaded === false ? <Chip tone="idle">on disk</Chip> : <span className="dim">not told</span>;
}
