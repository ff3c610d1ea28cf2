import type { ReactNode } from 'react';
import { type Schemas, useGet } from '@/api/client';
import { money, percent, plural, utc } from '@/shared/format';
import { Meter, share } from '@/shared/parts';
import { Failure, Waiting } from '@/shared/states';

type CallBudget = Schemas['CallBudget'];

/** The window of a budget, in words: `each 30d`. */
export function windowOf(budget: CallBudget): string {
  return budget.duration ? `each ${budget.duration}` : 'never resets';
}

/** The budgets over a request: what was spent of each when the request began, and with it. */
export function BudgetsOver({ id }: { id: string }): ReactNode {
  const found = useGet('/spend/logs/ui/{request_id}/budgets', { request_id: id }, { keeps: false });
  if (found.isError) return <Failure error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Waiting rows={2} height={24} />;
  const { budgets, hidden = 0, unknown } = found.data;
  return (
    <section className="stack" style={{ gap: 8 }} aria-label="Budgets over this request">
      <h3 style={{ margin: 0, fontSize: 13, fontWeight: 600 }}>Budgets, before and after</h3>
      {unknown && <div className="note warn">{unknown}</div>}
      {budgets.length === 0 && !unknown && hidden === 0 && <p className="dim" style={{ margin: 0 }}>No budget is over a request like this one.</p>}
      {budgets.length > 0 && (
        <div style={{ overflowX: 'auto' }}>
          <table className="plain">
            <thead>
              <tr><th>Budget</th><th className="num">Before</th><th className="num">After</th><th className="num">Of</th><th aria-label="Share" /></tr>
            </thead>
            <tbody>
              {budgets.map((budget) => (
                <Line key={`${budget.of} ${budget.subject} ${budget.duration} ${budget.model}`} budget={budget} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p className="dim small" style={{ margin: 0 }}>
        By the ledger as it is now: what the requests of the same window cost that began before this one. Limits and windows are those of now. What other requests held at that moment is not in it.
        {hidden > 0 && ` ${plural(hidden, 'further budget')} over this request you may not see.`}
      </p>
    </section>
  );
}

function Line({ budget }: { budget: CallBudget }): ReactNode {
  const { before, after, max_budget } = budget;
  const from = budget.window_start && budget.window_end ? `${utc(budget.window_start)} to ${utc(budget.window_end)}` : 'from the first request on';
  const more = budget.at_least ? '≥ ' : '';
  const part = share(Number(after ?? 0), Number(max_budget));
  return (
    <tr>
      <td style={{ whiteSpace: 'normal', paddingBlock: 4 }}>
        {budget.subject}
        {budget.model && ` on ${budget.model}`} <span className="dim" title={from}>{windowOf(budget)}</span>
      </td>
      {before == null || after == null ? (
        <td colSpan={2} className="dim" style={{ whiteSpace: 'normal' }}>not told: {budget.untold}</td>
      ) : (
        <>
          <td className="num" title={money(before, { exact: true })}>{more}{money(before)}</td>
          <td className="num" title={money(after, { exact: true })}>{more}{money(after)}</td>
        </>
      )}
      <td className="num">{money(max_budget)}</td>
      <td>{after != null && <span title={percent(part, 1)}><Meter of={part} /></span>}</td>
    </tr>
  );
}
