import { Button, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useGet } from '@/api/client';

export interface Made {
  name: string;
  description: string;
  team: string;
  models: string[];
  budget: number | '';
  window: string;
}

interface MakerProps {
  title: string;
  nameLabel: string;
  asks: readonly ('description' | 'team' | 'models')[];
  run: (made: Made) => Promise<unknown>;
  onClose: () => void;
}

const WINDOWS = [
  { value: '30d', label: 'each 30 days' },
  { value: '7d', label: 'each 7 days' },
  { value: '1d', label: 'each day' },
  { value: '', label: 'in all' },
];

/** The budget's fields of a body; none where no budget was given. */
export function budgetOf(made: Made): Record<string, unknown> {
  if (made.budget === '') return {};
  return { max_budget: made.budget, ...(made.window ? { budget_duration: made.window } : {}) };
}

/** The form that makes an organization, a project, a tag or a customer. */
export function Maker({ title, nameLabel, asks, run, onClose }: MakerProps): ReactNode {
  const [made, setMade] = useState<Made>({ name: '', description: '', team: '', models: [], budget: '', window: '30d' });
  const [failed, setFailed] = useState('');
  const [runs, setRuns] = useState(false);
  const models = useGet('/v1/models', {}, { enabled: asks.includes('models') });
  const teams = useGet('/v2/team/list', { page_size: 100 }, { enabled: asks.includes('team') });
  const set = (changes: Partial<Made>): void => setMade({ ...made, ...changes });

  async function submit(): Promise<void> {
    setRuns(true);
    setFailed('');
    try {
      await run(made);
      onClose();
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    } finally {
      setRuns(false);
    }
  }

  return (
    <Modal opened onClose={onClose} title={title}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextInput label={nameLabel} required data-autofocus value={made.name} onChange={(event) => set({ name: event.currentTarget.value })} />
        {asks.includes('description') && <TextInput label="What it is" value={made.description} onChange={(event) => set({ description: event.currentTarget.value })} />}
        {asks.includes('team') && <Select label="Team" required searchable data={(teams.data?.teams ?? []).map((team) => ({ value: team.team_id, label: team.team_alias ?? team.team_id }))} value={made.team || null} onChange={(team) => set({ team: team ?? '' })} />}
        {asks.includes('models') && <MultiSelect label="Models" description="None chosen: all models" searchable data={[...new Set((models.data?.data ?? []).map((card) => card.id))]} value={made.models} onChange={(chosen) => set({ models: chosen })} />}
        <SimpleGrid cols={2} spacing="sm">
          <NumberInput label="Budget" prefix="$" min={0} placeholder="no limit" value={made.budget} onChange={(value) => set({ budget: value === '' ? '' : Number(value) })} />
          <Select label="Window" allowDeselect={false} data={WINDOWS} value={made.window} disabled={made.budget === ''} onChange={(window) => set({ window: window ?? '' })} />
        </SimpleGrid>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={runs}>Make it</Button>
        </Group>
      </form>
    </Modal>
  );
}
