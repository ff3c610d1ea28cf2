import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { count, money } from '@/shared/format';
import { Card, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';

/** Budgets with a name, which several holders can have. */
export function NamedBudgets(): ReactNode {
  const budgets = useGet('/budget/list');
  return (
    <Card title="Budgets by name" aside="for organizations, customers, tags and members">
      <Loaded of={budgets} rows={3}>
        {(found) =>
          found.length === 0 ? (
            <p className="dim small">There are none.</p>
          ) : (
            <table className="plain">
              <thead><tr><th>Name</th><th className="num">Limit</th><th>Window</th><th className="num">rpm</th><th className="num">tpm</th><th className="num">Changed</th></tr></thead>
              <tbody>
                {found.map((each) => (
                  <tr key={each.budget_id}><td>{each.budget_id}</td><td className="num">{money(each.max_budget)}</td><td>{each.budget_duration ? `each ${each.budget_duration}` : 'in all'}</td><td className="num">{count(each.rpm_limit)}</td><td className="num">{count(each.tpm_limit)}</td><td className="num"><When at={each.updated_at} /></td></tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
    </Card>
  );
}
