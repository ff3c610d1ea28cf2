import type { ReactNode } from 'react';
import { count, day, money } from '@/shared/format';
import { BudgetsOver } from './BudgetsOver';
import { type LogRow, costLines, heldInWords, rateOf } from './rows';

const SOURCES: Record<string, string> = { 'genai-prices': 'the price list genai-prices', config: 'the config', local: 'our own rule: local models are free' };

/** Meters times price is amount, down to the last digit. */
export function CostTab({ row }: { row: LogRow }): ReactNode {
  const lines = costLines(row);
  const source = row.price_source ? (SOURCES[row.price_source] ?? row.price_source) : 'none: the price is unknown, and the cost is booked as zero';
  return (
    <div className="stack">
      {row.outcome === 'uncertain' && (
        <div className="note" style={{ borderColor: 'var(--unsure)' }}>
          The request was sent, and its outcome is unknown. It is booked at the most that it can have cost; Reconcile corrects it.
        </div>
      )}
      {lines.length === 0 ? (
        <p>{row.outcome === 'refused' ? 'Nothing was sent, so nothing was charged.' : `The cost is ${money(row.spend)}.`}</p>
      ) : (
        <table className="plain">
          <thead>
            <tr><th>Meter</th><th className="num">Tokens</th><th className="num">$ per million</th><th className="num">Amount</th></tr>
          </thead>
          <tbody>
            {lines.map((line) => {
              const rate = rateOf(line);
              return (
                <tr key={line.name}>
                  <td>{line.name}</td>
                  <td className="num">{line.tokens === null ? '' : count(line.tokens)}</td>
                  <td className="num">{rate === null ? '' : rate.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 4 })}</td>
                  <td className="num">{money(line.amount, { exact: true })}</td>
                </tr>
              );
            })}
            <tr>
              <td><strong>{row.estimated ? 'At most' : 'Cost'}</strong></td>
              <td />
              <td />
              <td className="num"><strong data-testid="cost">{money(row.spend, { exact: true })}</strong></td>
            </tr>
          </tbody>
        </table>
      )}
      <p className="dim small" style={{ margin: 0 }}>
        Price from {source}{row.price_version ? `, version ${row.price_version}` : ''}{row.price_effective ? `, in force since ${day(row.price_effective)}` : ''}{row.service_tier ? `, tier ${row.service_tier}` : ''}.
        {row.metadata.cache_saved ? ` Reading from the provider's cache saved ${money(row.metadata.cache_saved)}.` : ''}
      </p>
      {row.metadata.held_cost != null && <p style={{ margin: 0 }}>{heldInWords(row.metadata.held_cost, row.spend)}</p>}
      <BudgetsOver id={row.request_id} />
    </div>
  );
}
