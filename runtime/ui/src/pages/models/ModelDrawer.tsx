import { Button, Drawer, Group, NumberInput, SimpleGrid, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { manages, may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { compact, duration } from '@/shared/format';
import type { Timed } from '@/shared/latency';
import { CopyId } from '@/shared/Id';
import { Card, Chip, Facts, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { type Deployment, TONES, capabilities, idOf, info, isStored, params, perMillion, perToken, standing } from './model';

const TOUCHED = ['/v2/model/info', '/model/info', '/model_group/info', '/v1/models'] as const;

/** One deployment: what it is, how it stands, and what can be done with it. */
export function ModelDrawer({ of, timed, onClose }: { of: Deployment; timed: Timed | undefined; onClose: () => void }): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const { state, detail } = standing(of);
  const facts = info(of);
  return (
    <Drawer opened onClose={onClose} position="right" size={580} title={of.model_name}>
      <div className="stack">
        <Group gap="xs">
          <Chip tone={TONES[state] ?? 'idle'}>{state}</Chip>
          {facts.local === true ? <span className="tag">local</span> : <span className="dim">cloud</span>}
          <CopyId id={idOf(of)} />
        </Group>
        {detail && <div className="note warn">{detail}</div>}
        <Facts
          of={[
            ['Served by', <span key="m" className="mono">{String(params(of).model ?? '')}</span>],
            ['Address', Boolean(params(of).api_base) && <span key="a" className="mono">{String(params(of).api_base)}</span>],
            ['Credential', params(of).litellm_credential_name as string | undefined],
            ['For', String(facts.mode ?? 'chat')],
            ['Price', `${perMillion(facts.input_cost_per_token)} in, ${perMillion(facts.output_cost_per_token)} out, ${perMillion(facts.cache_read_input_token_cost)} cached, $ a million tokens`],
            ['Price from', String(facts.price_source ?? 'nowhere: under a budget it is refused')],
            ['Context', Boolean(facts.max_input_tokens) && `${compact(Number(facts.max_input_tokens))} in, ${compact(Number(facts.max_output_tokens ?? 0))} out`],
            ['Can do', capabilities(of).join(', ')],
            ['Latency, 7 days', timed !== undefined && `p50 ${duration(timed.duration_ms.p50)}, p95 ${duration(timed.duration_ms.p95)}, p99 ${duration(timed.duration_ms.p99)}`],
            ['First token, 7 days', Boolean(timed?.ttft_ms.calls) && `p50 ${duration(timed?.ttft_ms.p50)}, p95 ${duration(timed?.ttft_ms.p95)}, p99 ${duration(timed?.ttft_ms.p99)}`],
            ['Team', facts.team_id as string | undefined],
            ['Goes away', facts.deprecation_date as string | undefined],
            ['From', isStored(of) ? 'added here' : 'the config file, where it is changed'],
          ]}
        />
        <Group gap="xs">
          <Button variant="default" onClick={() => void navigate({ to: '/activity', search: { model: of.model_name } as never })}>Requests</Button>
          {may(me, 'model') && !of.model_name.includes('*') && <Button variant="default" onClick={() => void navigate({ to: '/playground', search: { model: of.model_name } as never })}>Playground</Button>}
          {manages(me, 'deployments_read') && <Check id={idOf(of)} />}
        </Group>
        {may(me, 'models_write') && isStored(of) && <Changes of={of} onClose={onClose} />}
        {may(me, 'models_write') && !isStored(of) && <p className="dim small">It stands in the config file. A change of the file counts without a restart.</p>}
      </div>
    </Drawer>
  );
}

/** Asks the deployment once, now. */
function Check({ id }: { id: string }): ReactNode {
  const [asks, setAsks] = useState(false);
  const health = useGet('/health', { model_id: id }, { enabled: asks, keeps: false });
  const found = [...(health.data?.healthy_endpoints ?? []), ...(health.data?.unhealthy_endpoints ?? [])][0];
  return (
    <>
      <Button variant="default" loading={asks && health.isFetching} onClick={() => (asks ? void health.refetch() : setAsks(true))}>Check now</Button>
      {asks && health.data && (
        <span className="small">
          {found === undefined ? 'It is not checked.' : found.error ? <Chip tone="bad" title={found.error}>{found.error.slice(0, 60)}</Chip> : <Chip tone="ok">answered in {duration(found.response_time_ms)}</Chip>}
          {found?.checked_at && <span className="dim"> <When at={found.checked_at} /></span>}
        </span>
      )}
      {asks && health.isError && <Loaded of={health}>{() => null}</Loaded>}
    </>
  );
}

function Changes({ of, onClose }: { of: Deployment; onClose: () => void }): ReactNode {
  const confirm = useConfirm();
  const [name, setName] = useState(of.model_name);
  const [base, setBase] = useState(String(params(of).api_base ?? ''));
  const [key, setKey] = useState('');
  const given = (rate: unknown): number | '' => (rate === null || rate === undefined ? '' : Number((Number(rate) * 1e6).toPrecision(12)));
  const [input, setInput] = useState<number | ''>(given(params(of).input_cost_per_token));
  const [output, setOutput] = useState<number | ''>(given(params(of).output_cost_per_token));
  const blocked = standing(of).state === 'blocked';
  const save = useChange(
    () =>
      send(
        'patch',
        '/model/{model_id}/update',
        {
          model_name: name,
          litellm_params: {
            ...(base === String(params(of).api_base ?? '') ? {} : { api_base: base || null }),
            ...(key ? { api_key: key } : {}),
            input_cost_per_token: input === '' ? null : perToken(input),
            output_cost_per_token: output === '' ? null : perToken(output),
          },
        },
        { model_id: idOf(of) },
      ),
    { refreshes: TOUCHED, says: (answer) => ((answer.cleared_params ?? []).length > 0 ? 'Changed. Its key was taken away with the old address: enter it again.' : 'Changed, in force now') },
  );
  const block = useChange(() => send('post', blocked ? '/model/unblock' : '/model/block', { id: idOf(of) }), { refreshes: TOUCHED, says: blocked ? 'It takes calls again' : 'It takes no calls', quiet: true });
  const remove = useChange(() => send('post', '/model/delete', { id: idOf(of) }), { refreshes: TOUCHED, says: 'The deployment is removed', then: onClose, quiet: true });
  return (
    <Card title="Change it">
      <form
        className="stack"
        style={{ gap: 10 }}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(undefined);
        }}
      >
        <TextInput size="xs" label="Public name" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput size="xs" label="Address" value={base} placeholder="the provider's own" onChange={(event) => setBase(event.currentTarget.value)} />
        <TextInput size="xs" label="API key" type="password" autoComplete="off" placeholder="stays as it is" value={key} onChange={(event) => setKey(event.currentTarget.value)} />
        <SimpleGrid cols={2} spacing="xs">
          <NumberInput size="xs" label="In, $ a million tokens" min={0} placeholder="from the price list" value={input} onChange={(value) => setInput(value === '' ? '' : Number(value))} />
          <NumberInput size="xs" label="Out, $ a million tokens" min={0} placeholder="from the price list" value={output} onChange={(value) => setOutput(value === '' ? '' : Number(value))} />
        </SimpleGrid>
        <Group gap="xs">
          <Button type="submit" loading={save.isPending}>Save</Button>
          <Button variant="default" onClick={() => (blocked ? block.mutate(undefined) : confirm({ title: 'Block the deployment', effect: <>Calls of <strong>{of.model_name}</strong> go to its other deployments and fallbacks; where there are none, they fail.</>, action: 'Block', run: () => block.mutateAsync(undefined) }))}>
            {blocked ? 'Unblock' : 'Block'}
          </Button>
          <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Remove the deployment', effect: <>This deployment of <strong>{of.model_name}</strong> is removed for good, on all workers at once. Calls under way end as they would.</>, action: 'Remove', run: () => remove.mutateAsync(undefined) })}>
            Remove
          </Button>
        </Group>
      </form>
    </Card>
  );
}
