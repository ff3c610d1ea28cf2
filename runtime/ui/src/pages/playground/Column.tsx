import { Button, NumberInput, Popover, Select, Textarea } from '@mantine/core';
import { IconAdjustmentsHorizontal, IconPlayerStopFilled, IconTrash } from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { ApiError } from '@/api/errors';
import { Bill } from './Bill';
import { type Turn, ask } from './stream';

interface ColumnProps {
  names: string[];
  model: string;
  onModel: (model: string) => void;
  sent: { text: string; number: number };
}

interface Told extends Turn {
  model?: string;
  callId?: string;
  error?: string;
}

/** One conversation with one model. */
export function Column({ names, model, onModel, sent }: ColumnProps): ReactNode {
  const [turns, setTurns] = useState<Told[]>([]);
  const [system, setSystem] = useState('');
  const [temperature, setTemperature] = useState<number | ''>('');
  const [maxTokens, setMaxTokens] = useState<number | ''>('');
  const running = useRef<AbortController | null>(null);
  const [runs, setRuns] = useState(false);
  const seen = useRef(sent.number);
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (sent.number === seen.current) return;
    seen.current = sent.number;
    void say(sent.text);
  });
  useEffect(() => () => running.current?.abort(), []);
  useEffect(() => {
    void end.current?.scrollIntoView({ block: 'nearest' });
  }, [turns]);

  async function say(text: string): Promise<void> {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    setRuns(true);
    const before: Told[] = [...turns.filter((turn) => !turn.error), { role: 'user', content: text }];
    let answer: Told = { role: 'assistant', content: '', model };
    const show = (changes: Partial<Told>): void => {
      answer = { ...answer, ...changes };
      setTurns([...before, answer]);
    };
    show({});
    try {
      const asked = before.filter((turn) => turn.content).map(({ role, content }) => ({ role, content }));
      const heard = await ask({ model, system, turns: asked, temperature, maxTokens }, stop.signal, (piece) => show({ content: answer.content + piece }));
      show({ callId: heard.callId });
    } catch (error) {
      if (stop.signal.aborted) show({ content: `${answer.content} ⏹` });
      else show({ error: error instanceof Error ? error.message : String(error), callId: error instanceof ApiError ? error.requestId : undefined });
    } finally {
      if (running.current === stop) setRuns(false);
    }
  }

  return (
    <section className="card stack" aria-label={`Conversation with ${model}`} style={{ minHeight: 420, gridTemplateRows: 'auto 1fr' }}>
      <div className="row">
        <Select size="xs" aria-label="Model" searchable allowDeselect={false} data={names.includes(model) ? names : [model, ...names]} value={model} onChange={(name) => name && onModel(name)} style={{ flex: 1, minWidth: 140 }} />
        <Popover position="bottom-end" width={300} withArrow shadow="md" trapFocus>
          <Popover.Target>
            <Button variant="default" leftSection={<IconAdjustmentsHorizontal size={14} />}>Parameters</Button>
          </Popover.Target>
          <Popover.Dropdown>
            <div className="stack" style={{ gap: 8 }}>
              <Textarea size="xs" label="System prompt" autosize minRows={2} maxRows={8} value={system} onChange={(event) => setSystem(event.currentTarget.value)} />
              <NumberInput size="xs" label="Temperature" min={0} max={2} step={0.1} placeholder="the model's own" value={temperature} onChange={(value) => setTemperature(value === '' ? '' : Number(value))} />
              <NumberInput size="xs" label="Most tokens of an answer" min={1} placeholder="the model's own" value={maxTokens} onChange={(value) => setMaxTokens(value === '' ? '' : Number(value))} />
            </div>
          </Popover.Dropdown>
        </Popover>
        {runs ? (
          <Button variant="default" c="var(--bad)" leftSection={<IconPlayerStopFilled size={13} />} onClick={() => running.current?.abort()}>Stop</Button>
        ) : (
          <Button variant="default" leftSection={<IconTrash size={14} />} disabled={turns.length === 0} onClick={() => setTurns([])}>Clear</Button>
        )}
      </div>
      <div className="stack" aria-live="polite" tabIndex={0} role="log" aria-label="Messages" style={{ overflowY: 'auto', maxHeight: 'calc(100vh - 340px)', gap: 10 }}>
        {turns.length === 0 && <p className="dim" style={{ margin: 'auto' }}>Say something to {model}.</p>}
        {turns.map((turn, n) => (
          <div key={n} style={turn.role === 'user' ? { justifySelf: 'end', background: 'var(--accent-bg)', borderRadius: 8, padding: '7px 11px', maxWidth: '85%', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' } : { whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {turn.content || (turn.role === 'assistant' && !turn.error ? <span className="dim">…</span> : null)}
            {turn.error && <div role="alert" className="note bad">{turn.error}</div>}
            {turn.callId && <Bill callId={turn.callId} />}
          </div>
        ))}
        <div ref={end} />
      </div>
    </section>
  );
}
