import { expect, test } from 'vitest';
import { branches, flat } from './tree';

test('keys stand below their team, else below their user; teams below their organization', () => {
  const rows = flat(
    branches({
      organizations: [{ organization_id: 'o', organization_alias: 'Acme', budget_id: 'b', spend: 7 }] as never,
      budgets: [{ budget_id: 'b', max_budget: 100 }] as never,
      teams: [{ team_id: 't', organization_id: 'o' }, { team_id: 'alone' }] as never,
      users: [{ user_id: 'ada' }] as never,
      keys: [{ token: 'k1', team_id: 't' }, { token: 'k2', user_id: 'ada' }, { token: 'k3' }, { token: 'k4', team_id: 'unknown', user_id: 'ada' }] as never,
    }),
  );
  expect(rows.map(({ node, depth }) => `${depth} ${node.kind} ${node.id}`)).toEqual(['0 organization o', '1 team t', '2 key k1', '0 team alone', '0 user ada', '1 key k2', '1 key k4', '0 key k3']);
  expect(rows[0]?.node.limit).toBe(100);
  expect(rows[1]?.node.limit).toBeNull();
});
