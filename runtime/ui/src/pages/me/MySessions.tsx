import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { useMe } from '@/api/me';
import { Card, Chip, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';

/** Where one is signed in. */
export function MySessions(): ReactNode {
  const me = useMe();
  const sessions = useGet('/sessions', { user_id: me.user_id ?? undefined, page_size: 20 });
  const end = useChange((session_id: string) => send('post', '/sessions/revoke', { session_id }), { refreshes: ['/sessions'], says: 'The session is over' });
  return (
    <Card title="Where I am signed in">
      <Loaded of={sessions} rows={2}>
        {(found) => (
          <table className="plain">
            <tbody>
              {found.sessions.map((each) => (
                <tr key={each.session_id}>
                  <td title={each.user_agent ?? ''}>{each.address ?? 'unknown address'}</td>
                  <td className="dim">seen <When at={each.seen_at} /></td>
                  <td className="num">{each.is_current ? <Chip tone="ok">this one</Chip> : <Button size="compact-xs" variant="default" onClick={() => end.mutate(each.session_id)}>End</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Loaded>
    </Card>
  );
}
