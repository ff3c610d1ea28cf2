import { type ReactNode, useEffect, useState } from 'react';
import { type LiveCall, useCallsInFlight } from '@/api/live';
import { duration, plural } from '@/shared/format';
import { Chip } from '@/shared/parts';

const SHOWN = 6;

/** The calls that have no answer yet, oldest first, each with the time since it began. */
export function InFlight(): ReactNode {
  const { calls, hearing } = useCallsInFlight();
  const now = useSeconds(calls.calls.length > 0);
  const many = calls.calls.length + (calls.unlisted ?? 0);
  return (
    <div className="row small" role="status" aria-label="Requests in flight" style={{ minHeight: 24 }}>
      <strong>{many === 0 ? 'None in flight' : `${plural(many, 'request')} in flight`}</strong>
      {calls.calls.slice(0, SHOWN).map((call) => (
        <Chip key={`${call.request_id} ${call.attempt}`} tone="idle" title={`${call.request_id}, ${call.provider}`}>
          {call.model} {who(call)} {(call.attempt ?? 1) > 1 && `attempt ${call.attempt}, `}{duration(Math.max(0, now - Date.parse(call.started_at)))}
        </Chip>
      ))}
      {many > SHOWN && <span className="dim">and {many - SHOWN} more</span>}
      {hearing === 'polls' && <span className="dim push">asks every 5 s: the stream is not to be had now</span>}
    </div>
  );
}

/** Who calls, in a word: the key's alias, else the user. */
export function who(call: Pick<LiveCall, 'key_alias' | 'user_id'>): string {
  return call.key_alias ?? call.user_id;
}

function useSeconds(runs: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!runs) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [runs]);
  return now;
}
