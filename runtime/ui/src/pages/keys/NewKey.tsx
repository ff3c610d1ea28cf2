import { Button, Collapse, Group, Modal, MultiSelect, NumberInput, SegmentedControl, Select, SimpleGrid, Switch, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';
import { type KeyForm, NEW_KEY, bodyOf } from './key';
import { Secret } from './Secret';

export const WINDOWS = [
  { value: '1d', label: 'each day' },
  { value: '7d', label: 'each 7 days' },
  { value: '30d', label: 'each 30 days' },
  { value: '', label: 'in all' },
];
const LIVES = [
  { value: '', label: 'never expires' },
  { value: '1d', label: 'for a day' },
  { value: '7d', label: 'for 7 days' },
  { value: '30d', label: 'for 30 days' },
  { value: '90d', label: 'for 90 days' },
];

/** A number that stands in a field, or nothing. */
const numeric = (value: number | string): number | '' => (value === '' ? '' : Number(value));

/** Makes a key: for whom, for which models, with which limits. Then shows it, once. */
export function NewKey({ onClose }: { onClose: () => void }): ReactNode {
  const me = useMe();
  const rules = manages(me, 'keys_write');
  const [form, setForm] = useState<KeyForm>({ ...NEW_KEY, owner: rules && !me.user_id ? 'service' : 'me', userId: me.user_id ?? '' });
  const [more, setMore] = useState(false);
  const [made, setMade] = useState<Schemas['KeyGenerated'] | null>(null);
  const [failed, setFailed] = useState('');
  const models = useGet('/v1/models');
  const teams = useGet('/v2/team/list', { page_size: 100, sort_by: 'team_alias', sort_order: 'asc' });
  const users = useGet('/user/filter/ui', { page_size: 100 }, { enabled: manages(me, 'users_read') });
  const make = useChange((body: Record<string, unknown>) => (form.owner === 'service' ? send('post', '/key/service-account/generate', body) : send('post', '/key/generate', body)), {
    refreshes: ['/key/list'],
    quiet: true,
    then: setMade,
  });
  const set = (changes: Partial<KeyForm>): void => setForm({ ...form, ...changes });
  const teamData = (teams.data?.teams ?? []).map((team) => ({ value: team.team_id, label: team.team_alias ?? team.team_id }));
  const names = [...new Set((models.data?.data ?? []).map((card) => card.id).filter((name) => !name.includes('*')))];

  function submit(): void {
    setFailed('');
    make.mutate(bodyOf({ ...form, userId: form.owner === 'user' || form.owner === 'me' ? form.userId : '' }), { onError: (error) => setFailed(error.message) });
  }

  if (made !== null) {
    return (
      <Modal opened onClose={onClose} title={`The key ${made.key_alias ?? ''}`} size="lg" closeOnClickOutside={false}>
        <Secret secret={made.key} model={made.models?.[0] ?? names[0] ?? 'gpt-4'} onDone={onClose} />
      </Modal>
    );
  }
  return (
    <Modal opened onClose={onClose} title="New key" size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput label="Alias" description="What it is for, such as notebook or ci-nightly" required data-autofocus value={form.alias} onChange={(event) => set({ alias: event.currentTarget.value })} />
        {rules && (
          <div>
            <SegmentedControl
              fullWidth
              size="xs"
              aria-label="Who the key is for"
              value={form.owner}
              onChange={(owner) => set({ owner: owner as KeyForm['owner'], userId: owner === 'me' ? (me.user_id ?? '') : '' })}
              data={[...(me.user_id ? [{ value: 'me', label: 'For me' }] : []), { value: 'user', label: 'For a person' }, { value: 'service', label: 'For a service of a team' }]}
            />
          </div>
        )}
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          {rules && form.owner === 'user' && (
            <Select label="Person" required searchable data={(users.data ?? []).map((user) => ({ value: user.user_id, label: user.user_email ?? user.user_id }))} value={form.userId || null} onChange={(userId) => set({ userId: userId ?? '' })} />
          )}
          <Select label="Team" required={form.owner === 'service'} clearable searchable data={teamData} value={form.teamId || null} placeholder="none" onChange={(teamId) => set({ teamId: teamId ?? '' })} />
        </SimpleGrid>
        <MultiSelect label="Models" description="None chosen: all that its owner may use" searchable clearable data={names} value={form.models} onChange={(chosen) => set({ models: chosen })} />
        <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
          <NumberInput label="Budget" prefix="$" min={0} decimalScale={6} placeholder="no limit" value={form.budget} onChange={(value) => set({ budget: numeric(value) })} />
          <Select label="Window" data={WINDOWS} allowDeselect={false} value={form.window} onChange={(window) => set({ window: window ?? '' })} disabled={form.budget === ''} />
          <Select label="Life" data={LIVES} allowDeselect={false} value={form.duration} onChange={(life) => set({ duration: life ?? '' })} />
        </SimpleGrid>
        <Collapse expanded={more}>
          <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm" mb="sm">
            <NumberInput label="Requests a minute" min={0} value={form.rpm} onChange={(value) => set({ rpm: numeric(value) })} />
            <NumberInput label="Tokens a minute" min={0} value={form.tpm} onChange={(value) => set({ tpm: numeric(value) })} />
            <NumberInput label="Requests at once" min={0} value={form.parallel} onChange={(value) => set({ parallel: numeric(value) })} />
          </SimpleGrid>
          <Switch label="Local models alone: its requests never leave for a cloud" checked={form.localOnly} onChange={(event) => set({ localOnly: event.currentTarget.checked })} />
        </Collapse>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="space-between">
          <Button variant="subtle" onClick={() => setMore(!more)} aria-expanded={more}>
            {more ? 'Fewer limits' : 'More limits'}
          </Button>
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={make.isPending}>
              Make the key
            </Button>
          </Group>
        </Group>
      </form>
    </Modal>
  );
}
