import { Button, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';

type Amount = number | null;
const amount = (value: number | string): Amount => (value === '' ? null : Number(value));
const WINDOWS = [
  { value: '', label: 'in all' },
  { value: '1d', label: 'each day' },
  { value: '7d', label: 'each 7 days' },
  { value: '30d', label: 'each 30 days' },
];

/** Makes a team, or changes the one that is given. */
export function TeamForm({ team, onClose }: { team?: Schemas['TeamRecord']; onClose: () => void }): ReactNode {
  const me = useMe();
  const [alias, setAlias] = useState(team?.team_alias ?? '');
  const [organization, setOrganization] = useState<string | null>(team?.organization_id ?? null);
  const [models, setModels] = useState(team?.models ?? []);
  const [budget, setBudget] = useState<Amount>(team?.max_budget ?? null);
  const [window, setWindow] = useState(team?.budget_duration ?? (team ? '' : '30d'));
  const [rpm, setRpm] = useState<Amount>(team?.rpm_limit ?? null);
  const [tpm, setTpm] = useState<Amount>(team?.tpm_limit ?? null);
  const [failed, setFailed] = useState('');
  const known = useGet('/v1/models');
  const organizations = useGet('/organization/list', {}, { enabled: manages(me, 'organizations_read') });
  const save = useChange((body: Record<string, unknown>): Promise<unknown> => (team ? send('post', '/team/update', { ...body, team_id: team.team_id }) : send('post', '/team/new', body)), {
    refreshes: ['/v2/team/list', '/team/info'],
    says: team ? 'The team is changed' : 'The team is made',
    quiet: true,
    then: onClose,
  });
  const names = [...new Set([...(known.data?.data ?? []).map((card) => card.id), ...models])];
  const windows = WINDOWS.some((each) => each.value === window) ? WINDOWS : [...WINDOWS, { value: window, label: `each ${window}` }];

  function submit(): void {
    setFailed('');
    const all = { team_alias: alias, organization_id: organization, models, max_budget: budget, budget_duration: budget === null ? null : window || null, rpm_limit: rpm, tpm_limit: tpm };
    const given = team ? all : Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && (!Array.isArray(value) || value.length > 0)));
    save.mutate(given, { onError: (error) => setFailed(error.message) });
  }

  return (
    <Modal opened onClose={onClose} title={team ? `Edit ${team.team_alias ?? team.team_id}` : 'New team'} size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput label="Name" required data-autofocus value={alias} onChange={(event) => setAlias(event.currentTarget.value)} />
        {(organizations.data?.length ?? 0) > 0 && (
          <Select label="Organization" clearable searchable data={(organizations.data ?? []).map((each) => ({ value: each.organization_id, label: each.organization_alias }))} value={organization} onChange={setOrganization} />
        )}
        <MultiSelect label="Models" description="None chosen: all models" searchable clearable data={names} value={models} onChange={setModels} />
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <NumberInput label="Budget" prefix="$" min={0} placeholder="no limit" value={budget ?? ''} onChange={(value) => setBudget(amount(value))} />
          <Select label="Window" data={windows} allowDeselect={false} value={window} onChange={(value) => setWindow(value ?? '')} disabled={budget === null} />
          <NumberInput label="Requests a minute" min={0} value={rpm ?? ''} onChange={(value) => setRpm(amount(value))} />
          <NumberInput label="Tokens a minute" min={0} value={tpm ?? ''} onChange={(value) => setTpm(amount(value))} />
        </SimpleGrid>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={save.isPending}>{team ? 'Save' : 'Make the team'}</Button>
        </Group>
      </form>
    </Modal>
  );
}
