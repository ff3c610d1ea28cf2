import type { ReactNode } from 'react';
import { duration, utc } from '@/shared/format';
import { type LogRow, firstTokenOf } from './rows';

/** When the request came, when its first token came, and when it was over. */
export function TimelineTab({ row }: { row: LogRow }): ReactNode {
  const whole = Math.max(1, row.request_duration_ms);
  const first = firstTokenOf(row);
  const share = first === null ? 1 : Math.min(1, first / whole);
  const rest = first === null ? null : whole - first;
  const rate = rest && row.completion_tokens > 1 ? (row.completion_tokens / rest) * 1000 : null;
  return (
    <div className="stack">
      <div role="img" aria-label={`First token after ${duration(first)}, over after ${duration(whole)}`} style={{ display: 'flex', height: 22, borderRadius: 5, overflow: 'hidden', background: 'var(--grid)' }}>
        <div style={{ width: `${share * 100}%`, background: 'var(--s3)' }} />
        <div style={{ flex: 1, background: first === null ? 'var(--s3)' : 'var(--s1)' }} />
      </div>
      <table className="plain wrap">
        <thead><tr><th>Step</th><th className="num">After</th><th className="num">UTC</th></tr></thead>
        <tbody>
          <tr><td>The request came</td><td className="num">0 ms</td><td className="num mono">{utc(row.startTime)}</td></tr>
          {first !== null && <tr><td>First token</td><td className="num">{duration(first)}</td><td className="num mono">{utc(row.completionStartTime)}</td></tr>}
          <tr><td>{row.outcome === 'ok' ? 'The answer was whole' : `It ended: ${row.outcome}`}</td><td className="num">{duration(whole)}</td><td className="num mono">{utc(row.endTime)}</td></tr>
        </tbody>
      </table>
      {rate !== null && row.streamed && <p className="dim small">{rate.toFixed(1)} tokens a second after the first.</p>}
    </div>
  );
}
