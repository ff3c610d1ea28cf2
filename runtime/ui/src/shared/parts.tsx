import { Tooltip } from '@mantine/core';
import { IconAlertTriangle, IconBan, IconCheck, IconCircleDashed, IconHelp, IconX } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { money, percent, relative, utc } from './format';

export type Tone = 'ok' | 'warn' | 'bad' | 'unsure' | 'idle';

const SIGNS = { ok: IconCheck, warn: IconAlertTriangle, bad: IconX, unsure: IconHelp, idle: IconCircleDashed };

/** A word with a sign and a colour. The sign and the word tell the same as the colour. */
export function Chip({ tone, children, title }: { tone: Tone; children: ReactNode; title?: string }): ReactNode {
  const Sign = SIGNS[tone];
  return (
    <span className={`chip ${tone}`} title={title}>
      <Sign aria-hidden stroke={2.4} />
      {children}
    </span>
  );
}

const OUTCOMES: Record<string, Tone> = { ok: 'ok', refused: 'warn', failed: 'bad', cancelled: 'idle', uncertain: 'unsure' };

/** What became of a request. */
export function Outcome({ outcome }: { outcome: string }): ReactNode {
  return <Chip tone={OUTCOMES[outcome] ?? 'idle'}>{outcome}</Chip>;
}

/** Whether a key, a user or a team works. */
export function Standing({ blocked, expired, word }: { blocked?: boolean | null; expired?: boolean; word?: string }): ReactNode {
  if (blocked) {
    return (
      <span className="chip bad">
        <IconBan aria-hidden stroke={2.4} />
        blocked
      </span>
    );
  }
  if (expired) return <Chip tone="idle">expired</Chip>;
  return <Chip tone="ok">{word ?? 'active'}</Chip>;
}

/** How long ago, with the exact time in UTC on hover. */
export function When({ at, children }: { at: string | null | undefined; children?: ReactNode }): ReactNode {
  if (!at) return <span className="dim">–</span>;
  return <time dateTime={at} title={utc(at)}>{children ?? relative(at)}</time>;
}

/** A box with a title, and at its right a total. */
export function Card({ title, aside, children, id }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; id?: string }): ReactNode {
  return (
    <section className="card" id={id}>
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {aside !== undefined && <span>{aside}</span>}
        </header>
      )}
      {children}
    </section>
  );
}

interface TileProps {
  name: string;
  value: ReactNode;
  note?: ReactNode;
  to?: string;
  search?: Record<string, string | undefined>;
}

/** One number. It leads to the rows behind it. */
export function Tile({ name, value, note, to, search }: TileProps): ReactNode {
  const inside = (
    <>
      <small>{name}</small>
      <strong>{value}</strong>
      <em>{note ?? ' '}</em>
    </>
  );
  if (!to) return <div className="card tile">{inside}</div>;
  return (
    <Link to={to} search={search as never} className="card tile">
      {inside}
    </Link>
  );
}

/** How much of a budget is spent. */
export function share(spent: number, limit: number | null | undefined): number {
  return limit ? spent / limit : 0;
}

/** A bar of a share. `plain`: a large share is nothing to be warned of. */
export function Meter({ of, plain }: { of: number; plain?: boolean }): ReactNode {
  const tone = plain ? '' : of >= 1 ? 'bad' : of >= 0.8 ? 'warn' : '';
  return (
    <span className="meter" role="img" aria-label={percent(of, 0)}>
      <i className={tone} style={{ width: `${Math.min(100, of * 100)}%` }} />
    </span>
  );
}

interface BudgetProps {
  spend: number | string;
  limit: number | string | null | undefined;
  window?: string | null;
}

/** Spent of a limit, as a bar and in dollars. */
export function Budget({ spend, limit, window }: BudgetProps): ReactNode {
  if (limit === null || limit === undefined) return <span>{money(spend)} <span className="dim">no limit</span></span>;
  const part = share(Number(spend), Number(limit));
  return (
    <Tooltip label={`${percent(part, 0)} of ${money(limit)}${window ? ` each ${window}` : ''}`} withArrow>
      <span style={{ display: 'inline-grid', gridTemplateColumns: '64px auto', gap: 8, alignItems: 'center' }}>
        <Meter of={part} />
        <span>
          {money(spend)} <span className="dim">of {money(limit)}</span>
        </span>
      </span>
    </Tooltip>
  );
}

/** Names of facts and their values. A fact without a value is left out. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }): ReactNode {
  const told = of.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false);
  return (
    <dl className="facts">
      {told.map(([name, value]) => [<dt key={`${name}.`}>{name}</dt>, <dd key={name}>{value}</dd>])}
    </dl>
  );
}

/** Models that something may use; none named means all. */
export function ModelsCell({ models }: { models: readonly string[] }): ReactNode {
  if (models.length === 0) return <span className="dim">all</span>;
  const shown = models.slice(0, 2).join(', ');
  return <span title={models.join(', ')}>{models.length > 2 ? `${shown} +${models.length - 2}` : shown}</span>;
}
