import { Button, Group, Modal, TextInput, Textarea } from '@mantine/core';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { plural } from '@/shared/format';
import { Chip } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { params } from '../models/model';
import { CacheCard } from './CacheCard';

type Credential = Schemas['CredentialShown'];

/** Values that several deployments share, each masked, with the models that use it; and the response cache. */
export default function Credentials(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const [makes, setMakes] = useState(false);
  const credentials = useGet('/credentials');
  const models = useGet('/model/info');
  const remove = useChange((credential_name: string) => send('delete', '/credentials/{credential_name}', {}, { credential_name }), { refreshes: ['/credentials'], says: 'The credential is deleted', quiet: true });
  const users = (name: string): string[] => [...new Set((models.data?.data ?? []).filter((each) => params(each).litellm_credential_name === name).map((each) => each.model_name))];
  const writes = may(me, 'credentials_write');
  const columns: ColumnDef<Credential, unknown>[] = [
    { id: 'name', header: 'Credential', cell: ({ row }) => <strong style={{ fontWeight: 500 }}>{row.original.credential_name}</strong> },
    { id: 'values', header: 'Values', cell: ({ row }) => <span className="mono">{Object.entries(row.original.credential_values as Record<string, unknown>).map(([name, value]) => `${name}=${String(value)}`).join('  ')}</span> },
    { id: 'users', header: 'Used by', cell: ({ row }) => users(row.original.credential_name).join(', ') || <span className="dim">no model</span> },
    { id: 'flaw', header: 'State', cell: ({ row }) => (row.original.flaw ? <Chip tone="bad" title={row.original.flaw}>can't be read</Chip> : <Chip tone="ok">sealed</Chip>) },
    { id: 'do', header: '', cell: ({ row }) => writes && <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Delete the credential', effect: <>{plural(users(row.original.credential_name).length, 'model')} will no longer have the key of <strong>{row.original.credential_name}</strong>.</>, action: 'Delete', run: () => remove.mutateAsync(row.original.credential_name) })}>Delete</Button> },
  ];
  const button = writes && <Button onClick={() => setMakes(true)}>New credential</Button>;
  return (
    <Page title="Credentials" tools={button}>
      <DataTable name="credentials" label="Credentials" of={credentials} rows={credentials.data?.credentials} columns={columns} id={(each) => each.credential_name} free empty={<Empty title="No credentials yet" action={button}>A credential holds a provider's key once for several models. It is sealed under the salt key.</Empty>} />
      {may(me, 'settings_read') && <CacheCard />}
      {makes && <NewCredential onClose={() => setMakes(false)} />}
    </Page>
  );
}

function NewCredential({ onClose }: { onClose: () => void }): ReactNode {
  const [name, setName] = useState('');
  const [key, setKey] = useState('');
  const [base, setBase] = useState('');
  const [more, setMore] = useState('');
  const [failed, setFailed] = useState('');
  const make = useChange((values: Record<string, unknown>) => send('post', '/credentials', { credential_name: name.trim(), credential_values: values, credential_info: {} }), { refreshes: ['/credentials'], says: 'The credential is sealed', quiet: true, then: onClose });

  function submit(): void {
    setFailed('');
    try {
      const further = more.trim() ? (JSON.parse(more) as Record<string, unknown>) : {};
      make.mutate({ ...(key ? { api_key: key } : {}), ...(base.trim() ? { api_base: base.trim() } : {}), ...further }, { onError: (error) => setFailed(error.message) });
    } catch {
      setFailed('The further values are not JSON.');
    }
  }

  return (
    <Modal opened onClose={onClose} title="New credential">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput label="Name" required data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label="API key" type="password" autoComplete="off" value={key} onChange={(event) => setKey(event.currentTarget.value)} />
        <TextInput label="Address" placeholder="the provider's own" value={base} onChange={(event) => setBase(event.currentTarget.value)} />
        <Textarea label="Further values as JSON" placeholder='{"aws_region_name": "eu-central-1"}' autosize minRows={2} value={more} onChange={(event) => setMore(event.currentTarget.value)} />
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={make.isPending}>Seal it</Button>
        </Group>
      </form>
    </Modal>
  );
}
