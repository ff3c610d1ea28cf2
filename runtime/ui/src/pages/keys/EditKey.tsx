import { Button, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import type { KeyFacts } from './key';
import { WINDOWS } from './NewKey';

type Amount = number | null;

const amount = (value: number | string): Amount => (value === '' ? null : Number(value));

/** Changes a key. A field that is emptied takes its limit away. */
export function EditKey({ info, onClose }: { info: KeyFacts; onClose: () => void }): ReactNode {
  const [alias, setAlias] = useState(info.key_alias ?? '');
  const [models, setModels] = useState(info.models ?? []);
  const [budget, setBudget] = useState<Amount>(info.max_budget ?? null);
  const [window, setWindow] = useState(info.budget_duration ?? '');
  const [rpm, setRpm] = useState<Amount>(info.rpm_limit ?? null);
  const [tpm, setTpm] = useState<Amount>(info.tpm_limit ?? null);
  const [parallel, setParallel] = useState<Amount>(info.max_parallel_requests ?? null);
  const [failed, setFailed] = useState('');
  const known = useGet('/v1/models');
  const save = useChange((body: Record<string, unknown>) => send('post', '/key/update', body), { refreshes: ['/key/list', '/key/info'], says: 'The key is changed', quiet: true, then: onClose });
  const names = [...new Set([...(known.data?.data ?? []).map((card) => card.id), ...models])];
  const windows = WINDOWS.some((each) => each.value === window) ? WINDOWS : [...WINDOWS, { value: window, label: `each ${window}` }];

  function submit(): void {
    setFailed('');
    const body = { key: info.token, key_alias: alias, models, max_budget: budget, budget_duration: window || null, rpm_limit: rpm, tpm_limit: tpm, max_parallel_requests: parallel };
    save.mutate(body, { onError: (error) => setFailed(error.message) });
  }

  return (
    <Modal opened onClose={onClose} title={`Edit ${info.key_alias ?? 'the key'}`} size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput label="Alias" required value={alias} onChange={(event) => setAlias(event.currentTarget.value)} />
        <MultiSelect label="Models" description="None chosen: all that its owner may use" searchable clearable data={names} value={models} onChange={setModels} />
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <NumberInput label="Budget" prefix="$" min={0} placeholder="no limit" value={budget ?? ''} onChange={(value) => setBudget(amount(value))} />
          <Select label="Window" data={windows} allowDeselect={false} value={window} onChange={(value) => setWindow(value ?? '')} />
          <NumberInput label="Requests a minute" min={0} value={rpm ?? ''} onChange={(value) => setRpm(amount(value))} />
          <NumberInput label="Tokens a minute" min={0} value={tpm ?? ''} onChange={(value) => setTpm(amount(value))} />
          <NumberInput label="Requests at once" min={0} value={parallel ?? ''} onChange={(value) => setParallel(amount(value))} />
        </SimpleGrid>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
