import { useComputedColorScheme } from '@mantine/core';
import { BarController, BarElement, CategoryScale, Chart as Drawn, Filler, LineController, LineElement, LinearScale, PointElement, Tooltip } from 'chart.js';
import { type ReactNode, useEffect, useRef } from 'react';
import { type Series, colourOf, variable } from './colours';

Drawn.register(BarController, BarElement, LineController, LineElement, PointElement, CategoryScale, LinearScale, Tooltip, Filler);

interface ChartProps {
  kind: 'bars' | 'lines';
  /** What the chart shows, for who does not see it. */
  label: string;
  labels: readonly string[];
  series: readonly Series[];
  format: (value: number) => string;
  height?: number;
  /** The numbers of the colours, where the series are no names that have their own. */
  colours?: readonly string[];
  onPick?: (label: string) => void;
  legend?: boolean;
}

/** Bars in stacks, or lines. Hovering reads all series at that instant; a missing value is a gap. */
export function Chart(props: ChartProps): ReactNode {
  const { kind, labels, series, format, height = 280, colours, onPick } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = useComputedColorScheme('light');
  const names = series.map((each) => each.name);
  const colour = (name: string, n: number): string => colours?.[n] ?? `--s${colourOf(name, names)}`;
  const picks = useRef(onPick);
  picks.current = onPick;

  useEffect(() => {
    if (canvas.current === null) return undefined;
    const lines = kind === 'lines';
    const drawn = new Drawn(canvas.current, {
      type: lines ? 'line' : 'bar',
      data: {
        labels: [...labels],
        datasets: series.map((each, n) => ({
          label: each.name,
          data: each.values,
          backgroundColor: variable(colour(each.name, n)),
          borderColor: variable(colour(each.name, n)),
          ...(lines ? { borderWidth: 1.8, pointRadius: each.values.length < 3 ? 3 : 0, pointHitRadius: 12, tension: 0.2 } : { borderWidth: 0, maxBarThickness: 42, categoryPercentage: 0.92, barPercentage: 0.94 }),
        })),
      },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: 'index', intersect: false },
        font: { family: 'Inter Variable' },
        onClick: (_, found) => {
          const label = labels[found[0]?.index ?? -1];
          if (label !== undefined) picks.current?.(label);
        },
        scales: {
          x: { stacked: !lines, grid: { display: false }, border: { color: variable('--line') }, ticks: { color: variable('--faint'), maxRotation: 0, autoSkipPadding: 24, font: { size: 11 } } },
          y: { stacked: !lines, beginAtZero: true, border: { display: false }, grid: { color: variable('--grid') }, ticks: { color: variable('--faint'), maxTicksLimit: 6, font: { size: 11 }, callback: (value) => format(Number(value)).replace(/\.00(?=\D|$)/, '') } },
        },
        plugins: {
          tooltip: {
            backgroundColor: variable('--panel'),
            titleColor: variable('--text'),
            bodyColor: variable('--text'),
            footerColor: variable('--dim'),
            borderColor: variable('--line'),
            borderWidth: 1,
            padding: 10,
            boxPadding: 4,
            filter: (item) => item.parsed.y !== null && (lines || item.parsed.y !== 0),
            itemSort: (a, b) => Number(b.raw) - Number(a.raw),
            callbacks: {
              label: (item) => ` ${item.dataset.label ?? ''}  ${format(Number(item.raw))}`,
              footer: (items) => (lines || items.length < 2 ? '' : `total  ${format(items.reduce((sum, item) => sum + Number(item.raw), 0))}`),
            },
          },
        },
      },
    });
    return () => drawn.destroy();
  }, [kind, JSON.stringify(labels), JSON.stringify(series), scheme]);

  return (
    <figure style={{ margin: 0 }}>
      <div style={{ position: 'relative', height }}>
        <canvas ref={canvas} role="img" aria-label={props.label} />
      </div>
      {props.legend !== false && series.length > 1 && (
        <figcaption className="row small dim" style={{ gap: '4px 14px', marginTop: 8 }}>
          {series.map((each, n) => (
            <span key={each.name}>
              <i aria-hidden style={{ display: 'inline-block', width: 9, height: 9, borderRadius: 2, marginRight: 5, background: `var(${colour(each.name, n)})` }} />
              {each.name}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}
