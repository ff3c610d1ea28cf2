import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { plural } from '@/shared/format';
import { Card, Chip, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';

/** Who is signed in, and from where. */
export function Sessions(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const sessions = useGet('/sessions', { page_size: 20 });
  const end = useChange((body: Record<string, unknown>) => send('post', '/sessions/revoke', body), { refreshes: ['/sessions'], says: (answer) => `${plural(answer.ended, 'session')} ended` });
  const writes = manages(me, 'sessions_write');
  return (
    <Card title="Signed in" aside={sessions.data && plural(sessions.data.total, 'session')}>
      <Loaded of={sessions} rows={4}>
        {(found) => (
          <div className="stack">
            <table className="plain">
              <thead><tr><th>User</th><th>By</th><th>From</th><th>Seen</th>{writes && <th />}</tr></thead>
              <tbody>
                {found.sessions.map((each) => (
                  <tr key={each.session_id}>
                    <td>{each.user_id}</td>
                    <td className="dim">{each.method.replaceAll('_', ' ')}</td>
                    <td className="mono" title={each.user_agent ?? ''}>{each.address}</td>
                    <td><When at={each.seen_at} /></td>
                    {writes && <td className="num">{each.is_current ? <Chip tone="ok">this one</Chip> : <Button size="compact-xs" variant="default" onClick={() => end.mutate({ session_id: each.session_id })}>End</Button>}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
            {writes && <Button variant="default" c="var(--bad)" style={{ justifySelf: 'start' }} onClick={() => confirm({ title: 'End all sessions', effect: `${plural(found.total, 'session')} end at once, yours too. Keys go on working.`, action: 'End all', run: () => end.mutateAsync({ everybody: true }) })}>End all sessions</Button>}
          </div>
        )}
      </Loaded>
    </Card>
  );
}
