import type { ReactNode } from 'react';
import { Chart } from '@/shared/charts/Chart';
import { duration } from '@/shared/format';
import { stepLabel, stepsOf, timeline, useLatency } from '@/shared/latency';
import type { Period } from '@/shared/period';
import { Waiting } from '@/shared/states';

interface LatencyChartProps {
  period: Period;
  scope: string;
  onPick: (date: string) => void;
}

/** p50 and p95 of the whole answer and of the first token: by hour for two days, else by day. */
export function LatencyChart({ period, scope, onPick }: LatencyChartProps): ReactNode {
  const step = period.days <= 2 ? 'hour' : 'day';
  const found = useLatency({ period, scope, step });
  if (!found.data) return found.isError ? <p className="dim small">{found.error.message}</p> : <Waiting rows={3} height={36} />;
  const { results } = found.data;
  const steps = stepsOf(period, step);
  const labels = steps.map(stepLabel);
  return (
    <Chart
      kind="lines"
      label={`p50 and p95 of the whole answer and of the first token, by ${step}`}
      labels={labels}
      series={[
        { name: 'answer p95', values: timeline(results, steps, (each) => each.duration_ms.p95) },
        { name: 'answer p50', values: timeline(results, steps, (each) => each.duration_ms.p50) },
        { name: 'first token p95', values: timeline(results, steps, (each) => each.ttft_ms.p95) },
        { name: 'first token p50', values: timeline(results, steps, (each) => each.ttft_ms.p50) },
      ]}
      colours={['--s3', '--s6', '--s2', '--s1']}
      format={duration}
      height={128}
      onPick={(label) => {
        const at = steps[labels.indexOf(label)];
        if (at) onPick(at.slice(0, 10));
      }}
    />
  );
}
