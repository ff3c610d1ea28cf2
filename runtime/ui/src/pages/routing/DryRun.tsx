import { Autocomplete, Button, NumberInput, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { cut, money } from '@/shared/format';
import { Card, Chip, Meter, share } from '@/shared/parts';
import { Failure, Waiting } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { TONES } from '../models/model';

const WHY: Record<string, string> = {
  cooling: 'is cooling down after failures',
  unhealthy: 'fails its health check',
  blocked: 'is blocked',
  tags: 'has other tags',
  context: 'is too small for the prompt',
  local: 'is not local',
};

/** Sends a request through the planner without making it: who would answer, who was dropped and why, what it could cost. */
export function DryRun(): ReactNode {
  const [filters, change] = useFilters();
  const [model, setModel] = useState(filters.model ?? '');
  const [text, setText] = useState('Say hello.');
  const [most, setMost] = useState<number | ''>('');
  const known = useGet('/v1/models');
  const run = useChange(
    () => send('post', '/route/explain', { model, messages: [{ role: 'user', content: text }], ...(most === '' ? {} : { max_tokens: most }) }),
    { quiet: true },
  );
  const names = [...new Set((known.data?.data ?? []).map((card) => card.id))];
  return (
    <Card title="Dry run" aside="nothing is sent to a provider">
      <form
        className="row"
        style={{ alignItems: 'end' }}
        onSubmit={(event) => {
          event.preventDefault();
          change({ model });
          run.mutate(undefined);
        }}
      >
        <Autocomplete size="xs" label="Model" required data={names} value={model} onChange={setModel} w={200} />
        <TextInput size="xs" label="Message" value={text} onChange={(event) => setText(event.currentTarget.value)} style={{ flex: 1, minWidth: 180 }} />
        <NumberInput size="xs" label="Most tokens" min={1} w={110} placeholder="not said" value={most} onChange={(value) => setMost(value === '' ? '' : Number(value))} />
        <Button type="submit" loading={run.isPending}>Explain</Button>
      </form>
      <div style={{ marginTop: run.isIdle ? 0 : 14 }}>
        {run.isPending && <Waiting rows={3} />}
        {run.isError && <Failure error={run.error} />}
        {run.data && <Explained of={run.data} />}
      </div>
    </Card>
  );
}

function Explained({ of }: { of: Schemas['Explanation'] }): ReactNode {
  return (
    <div className="stack">
      <div className="row">
        <span><strong>{of.public_name}</strong> <span className="dim">by {of.strategy}</span></span>
        {of.stays_local && <Chip tone="ok">stays local: {of.stays_local}</Chip>}
        {of.refusal && <Chip tone="bad">{of.refusal.status} {of.refusal.reason}</Chip>}
      </div>
      {of.refusal && <div className="note bad">{of.refusal.message}</div>}
      {of.candidates.length > 0 && (
        <div style={{ overflowX: 'auto' }}>
          <table className="plain">
            <thead><tr><th>Attempt</th><th>Model</th><th>Served by</th><th>State</th><th>Deployment</th><th>Price from</th><th className="num">Costs at most</th></tr></thead>
            <tbody>
              {of.candidates.map((each, n) => (
                <tr key={`${each.id}${n}`}>
                  <td>{n + 1}{each.fallbacks > 0 && <span className="dim"> fallback</span>}</td>
                  <td>{each.model}{each.local && <span className="tag">local</span>}</td>
                  <td>{each.provider} / {each.provider_model}</td>
                  <td>{each.refuses ? <Chip tone="bad" title={each.refuses}>would refuse</Chip> : <Chip tone={TONES[each.state] ?? 'idle'}>{each.state}</Chip>}</td>
                  <td className="mono" title={each.id}>{cut(each.id)}</td>
                  <td className="dim">{each.price_source ?? 'nowhere'}</td>
                  <td className="num">{each.most_cost === null || each.most_cost === undefined ? 'no known bound' : money(each.most_cost)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {of.dropped.length > 0 && (
        <div>
          <h3 style={{ fontSize: 13, marginBottom: 4 }}>Dropped</h3>
          {of.dropped.map((each, n) => (
            <div key={n} className="row small" style={{ padding: '3px 0' }}>
              <Chip tone="warn">{each.why}</Chip> <span>{each.model} {each.id && <span className="mono dim">{cut(each.id)}</span>} {WHY[each.why] ?? ''} {each.detail}</span>
            </div>
          ))}
        </div>
      )}
      {[...of.budgets, ...of.limits].length > 0 && (
        <table className="plain">
          <thead><tr><th>Over the call</th><th>Kind</th><th /><th className="num">Used</th><th className="num">Limit</th></tr></thead>
          <tbody>
            {[...of.budgets, ...of.limits].map((rule, n) => {
              const word = (value: number): string => (rule.kind === 'budget' ? money(value) : String(value));
              return <tr key={n}><td>{rule.subject}{rule.model && <span className="dim"> for {rule.model}</span>}</td><td className="dim">{rule.kind.replaceAll('_', ' ')}{rule.duration && ` each ${rule.duration}`}</td><td style={{ width: '20%' }}><Meter of={share(Number(rule.used), Number(rule.limit))} /></td><td className="num">{word(Number(rule.used))}</td><td className="num">{word(Number(rule.limit))}</td></tr>;
            })}
          </tbody>
        </table>
      )}
    </div>
  );
}
