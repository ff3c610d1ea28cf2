import type { Schemas } from '@/api/client';

export interface Node {
  kind: 'organization' | 'team' | 'user' | 'key';
  id: string;
  name: string;
  to?: string;
  spent: number;
  limit: number | null;
  window: string | null;
  resets: string | null;
  children: Node[];
}

interface Given {
  organizations: readonly Schemas['OrganizationRecord'][];
  budgets: readonly Schemas['BudgetRecord'][];
  teams: readonly Schemas['TeamRecord'][];
  users: readonly Schemas['UserRecord'][];
  keys: readonly Schemas['KeyFacts'][];
}

interface Limited {
  spend?: number;
  max_budget?: number | null;
  budget_duration?: string | null;
  budget_reset_at?: string | null;
}

function node(kind: Node['kind'], id: string, name: string, of: Limited, to?: string): Node {
  const limit = of.max_budget === null || of.max_budget === undefined ? null : Number(of.max_budget);
  return { kind, id, name, to, spent: Number(of.spend ?? 0), limit, window: of.budget_duration ?? null, resets: of.budget_reset_at ?? null, children: [] };
}

/** Organizations with their teams, teams with their keys, and users with the keys that are in no team. */
export function branches({ organizations, budgets, teams, users, keys }: Given): Node[] {
  const named = new Map(budgets.map((budget) => [budget.budget_id, budget]));
  const roots = organizations.map((each) => node('organization', each.organization_id, each.organization_alias, { ...named.get(each.budget_id), spend: each.spend }));
  const byId = new Map(roots.map((root) => [root.id, root]));
  const teamNodes = new Map<string, Node>();
  for (const team of teams) {
    const made = node('team', team.team_id, team.team_alias ?? team.team_id, team, `/teams/${team.team_id}`);
    teamNodes.set(team.team_id, made);
    const above = team.organization_id ? byId.get(team.organization_id) : undefined;
    if (above) above.children.push(made);
    else roots.push(made);
  }
  const userNodes = new Map(users.map((user) => [user.user_id, node('user', user.user_id, user.user_email ?? user.user_id, user, `/users/${user.user_id}`)]));
  roots.push(...userNodes.values());
  for (const key of keys) {
    const made = node('key', key.token, key.key_alias ?? key.key_name ?? key.token.slice(0, 10), key, `/keys/${key.token}`);
    const above = (key.team_id ? teamNodes.get(key.team_id) : undefined) ?? (key.user_id ? userNodes.get(key.user_id) : undefined);
    if (above) above.children.push(made);
    else roots.push(made);
  }
  return roots;
}

/** The tree as rows, each with how deep it stands. */
export function flat(nodes: readonly Node[], depth = 0): { node: Node; depth: number }[] {
  return nodes.flatMap((each) => [{ node: each, depth }, ...flat(each.children, depth + 1)]);
}
