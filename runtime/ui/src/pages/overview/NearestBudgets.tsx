import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';
import { money } from '@/shared/format';
import { Meter, share } from '@/shared/parts';
import { Waiting } from '@/shared/states';

interface Near {
  to: string;
  name: string;
  spent: number;
  limit: number;
}

interface Budgeted {
  spend?: number;
  max_budget?: number | null;
}

function near(of: Budgeted, name: string, to: string): Near[] {
  return of.max_budget ? [{ name, to, spent: Number(of.spend ?? 0), limit: Number(of.max_budget) }] : [];
}

const SHOWN = 5;

/** The budgets of which most is spent, of those with the most spend. */
export function NearestBudgets(): ReactNode {
  const me = useMe();
  const keys = useGet('/key/list', { size: 100, return_full_object: true, sort_by: 'spend', sort_order: 'desc' });
  const teams = useGet('/v2/team/list', { page_size: 100 });
  const users = useGet('/user/list', { page_size: 100, sort_by: 'spend', sort_order: 'desc' }, { enabled: manages(me, 'users_read') });
  const found = [
    ...(teams.data?.teams ?? []).flatMap((team) => near(team, `team ${team.team_alias ?? team.team_id}`, `/teams/${team.team_id}`)),
    ...(users.data?.users ?? []).flatMap((user) => near(user, user.user_email ?? user.user_id, `/users/${user.user_id}`)),
    ...(keys.data?.keys ?? []).flatMap((key) => (typeof key === 'string' ? [] : near(key, `key ${key.key_alias ?? key.key_name}`, `/keys/${key.token}`))),
  ].sort((a, b) => share(b.spent, b.limit) - share(a.spent, a.limit));
  return (
    <>
      <h2 style={{ fontSize: 13, marginBottom: 4 }}>Budgets nearest their limit</h2>
      {keys.isPending && teams.isPending ? (
        <Waiting rows={4} height={16} />
      ) : found.length === 0 ? (
        <p className="dim small">Nothing has a budget yet. Keys, teams and users can have one.</p>
      ) : (
        <table className="plain">
          <tbody>
            {found.slice(0, SHOWN).map((each) => (
              <tr key={each.to}>
                <td><Link to={each.to} style={{ color: 'inherit' }}>{each.name}</Link></td>
                <td style={{ width: '24%' }}><Meter of={share(each.spent, each.limit)} /></td>
                <td className="num">{money(each.spent)} of {money(each.limit)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
