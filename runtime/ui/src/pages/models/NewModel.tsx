import { Button, Group, Modal, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { duration } from '@/shared/format';
import { type ModelForm, NEW_MODEL, modelBody } from './model';

const PROVIDERS = ['openai', 'anthropic', 'azure', 'gemini', 'vertex_ai', 'bedrock', 'ollama', 'mistral', 'groq', 'deepseek', 'together_ai', 'openrouter', 'cohere', 'xai', 'hosted_vllm', 'fireworks_ai', 'perplexity', 'llamacpp'];
const MODES = ['chat', 'embedding', 'completion', 'responses'];

/** Adds a deployment. It can be tried before, and counts on all workers a moment later. */
export function NewModel({ onClose }: { onClose: () => void }): ReactNode {
  const me = useMe();
  const [form, setForm] = useState<ModelForm>(NEW_MODEL);
  const [failed, setFailed] = useState('');
  const credentials = useGet('/credentials', {}, { enabled: may(me, 'credentials_read') });
  const set = (changes: Partial<ModelForm>): void => setForm({ ...form, ...changes });
  const add = useChange(() => send('post', '/model/new', modelBody(form)), { refreshes: ['/v2/model/info', '/model/info', '/model_group/info', '/v1/models'], says: (answer) => `${answer.model_name} can be called now`, quiet: true, then: onClose });
  const test = useChange(() => {
    const { litellm_params, model_info } = modelBody(form);
    return send('post', '/health/test_connection', { litellm_params, model_info, mode: form.mode });
  }, { quiet: true });
  const number = (value: number | string): number | '' => (value === '' ? '' : Number(value));
  const result = test.data?.result;
  return (
    <Modal opened onClose={onClose} title="Add a model" size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          setFailed('');
          add.mutate(undefined, { onError: (error) => setFailed(error.message) });
        }}
      >
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <Select label="Provider" searchable allowDeselect={false} data={PROVIDERS} value={form.provider} onChange={(provider) => set({ provider: provider ?? 'openai' })} />
          <TextInput label="The provider's name for the model" required placeholder="gpt-4o" value={form.model} onChange={(event) => set({ model: event.currentTarget.value })} />
          <TextInput label="Public name" description="What programs call it" placeholder={form.model || 'the same'} value={form.name} onChange={(event) => set({ name: event.currentTarget.value })} />
          <Select label="For" description="What it answers" allowDeselect={false} data={MODES} value={form.mode} onChange={(mode) => set({ mode: mode ?? 'chat' })} />
        </SimpleGrid>
        <TextInput label="Address" placeholder="the provider's own" value={form.apiBase} onChange={(event) => set({ apiBase: event.currentTarget.value })} />
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <TextInput label="API key" type="password" autoComplete="off" description="Sealed under the salt key, and never shown" disabled={form.credential !== ''} value={form.apiKey} onChange={(event) => set({ apiKey: event.currentTarget.value })} />
          <Select label="or a credential" description="Kept once for several models" clearable data={(credentials.data?.credentials ?? []).map((each) => each.credential_name)} value={form.credential || null} onChange={(credential) => set({ credential: credential ?? '' })} />
          <NumberInput label="In, $ a million tokens" min={0} placeholder="from the price list" value={form.input} onChange={(value) => set({ input: number(value) })} />
          <NumberInput label="Out, $ a million tokens" min={0} placeholder="from the price list" value={form.output} onChange={(value) => set({ output: number(value) })} />
        </SimpleGrid>
        {test.isError && <div role="alert" className="note bad">{test.error.message}</div>}
        {result && (
          <div role="status" className={`note ${test.data?.status === 'success' ? '' : 'bad'}`}>
            {test.data?.status === 'success' ? `It answered in ${duration(result.took_ms)}${result.answer ? `: ${result.answer}` : ''}` : <>{result.error} {result.advice}</>}
          </div>
        )}
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="space-between">
          <Button variant="default" loading={test.isPending} disabled={!form.model.trim()} onClick={() => test.mutate(undefined)}>Try it</Button>
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>Cancel</Button>
            <Button type="submit" loading={add.isPending}>Add</Button>
          </Group>
        </Group>
      </form>
    </Modal>
  );
}
