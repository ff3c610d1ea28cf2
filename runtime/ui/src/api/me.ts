import { createContext, useContext } from 'react';
import type { Schemas } from './client';

export type Me = Schemas['Me'];

export const MeContext = createContext<Me | null>(null);

/** Who looks at the page. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error('There is no MeContext here.');
  return me;
}

/** What the reader is called. The master key has a user id of its own. */
export function nameOfMe(me: Me): string {
  if (me.user_id === 'default_user_id') return 'Master key';
  return me.user?.user_email ?? me.user_id ?? me.key_alias ?? 'signed in';
}

/** How far one may go: every row, rows of one's own, or none. */
export function reachOf(me: Me, access: string): readonly string[] {
  return me.may[access] ?? [];
}

export function may(me: Me, access: string): boolean {
  return reachOf(me, access).length > 0;
}

/** Whether one sees everybody's rows. */
export function seesAll(me: Me, access = 'spend_read'): boolean {
  return reachOf(me, access).includes('all');
}

/** Whether one may change rows of others. */
export function manages(me: Me, access: string): boolean {
  return reachOf(me, access).some((reach) => reach !== 'mine' && reach !== 'key');
}

/** The word for a role that people read. */
export function roleWord(role: string): string {
  const words: Record<string, string> = {
    proxy_admin: 'Admin',
    proxy_admin_viewer: 'Admin, view only',
    org_admin: 'Organization admin',
    devops: 'DevOps',
    internal_user: 'Team member',
    internal_user_viewer: 'Team member, view only',
    team_admin: 'Team admin',
  };
  return words[role] ?? role;
}
