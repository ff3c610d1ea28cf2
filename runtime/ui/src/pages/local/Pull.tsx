import { Button, Group, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { explain } from '@/api/errors';
import { bytes, percent } from '@/shared/format';
import { Chip, Meter } from '@/shared/parts';
import { type Progress, pull, shareOf } from './pull';

const TOUCHED = ['/local/hosts', '/model/info', '/v1/models'] as const;

/** Pulls a model to a host, with its progress. Leaving the page breaks the pull off; the next one goes on from there. */
export function Pull({ host }: { host: string }): ReactNode {
  const kept = useQueryClient();
  const [model, setModel] = useState('');
  const [last, setLast] = useState<Progress | null>(null);
  const [share, setShare] = useState<number | null>(null);
  const [failed, setFailed] = useState('');
  const [stop, setStop] = useState<AbortController | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  async function begin(event: FormEvent): Promise<void> {
    event.preventDefault();
    const control = new AbortController();
    running.current = control;
    const layers = new Map<string, Progress>();
    setStop(control);
    setLast(null);
    setShare(null);
    setFailed('');
    try {
      await pull({ model, host }, control.signal, (progress) => {
        if (progress.digest) layers.set(progress.digest, progress);
        setShare(shareOf(layers));
        setLast(progress);
      });
    } catch (error) {
      setFailed(control.signal.aborted ? 'Stopped. Pulling it again goes on from here.' : error instanceof Error ? error.message : explain(error).title);
    } finally {
      setStop(null);
      await Promise.all(TOUCHED.map((path) => kept.invalidateQueries({ queryKey: [path] })));
    }
  }

  return (
    <form onSubmit={(event) => void begin(event)} className="stack" style={{ gap: 8 }}>
      <Group gap="xs" align="end">
        <TextInput size="xs" w={220} label="Pull a model" placeholder="llama3.2:3b" required value={model} onChange={(event) => setModel(event.currentTarget.value)} disabled={stop !== null} />
        {stop === null ? <Button type="submit">Pull</Button> : <Button variant="default" onClick={() => stop.abort()}>Stop</Button>}
      </Group>
      {last && (
        <div className="row small" role="status" aria-label="Progress of the pull">
          {share !== null && <span style={{ width: 180 }}><Meter of={share} plain /></span>}
          {share !== null && <span className="num">{percent(share, 0)}</span>}
          {last.status === 'success' ? <Chip tone="ok">{last.public_name ? `call it ${last.public_name}` : 'pulled'}</Chip> : <span className="dim">{last.status}{last.total ? `, ${bytes(last.completed ?? 0)} of ${bytes(last.total)}` : ''}</span>}
          {last.note && <span className="dim">{last.note}</span>}
        </div>
      )}
      {failed && <div role="alert"><Chip tone="bad">{failed}</Chip></div>}
    </form>
  );
}
