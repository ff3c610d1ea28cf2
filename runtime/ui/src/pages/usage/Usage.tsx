import { Button, SegmentedControl, Select } from '@mantine/core';
import { IconDownload, IconX } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { seesAll, useMe } from '@/api/me';
import { seriesOf, totalOf, useDays } from '@/shared/activity';
import { Chart } from '@/shared/charts/Chart';
import { largest } from '@/shared/charts/colours';
import { cut, day, duration } from '@/shared/format';
import { seriesByGroup, useLatency } from '@/shared/latency';
import { Card } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { daysOf, periodOf } from '@/shared/period';
import { RangePicker, ScopePicker } from '@/shared/pickers';
import { SavedFilters } from '@/shared/saved/SavedFilters';
import { Empty, Loaded } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { LineTable } from './LineTable';
import { GROUPS, type Group, MEASURES, csvOf, linesOf, saveFile } from './measures';

/** Any measure by any group: a chart, a table with shares, the way down to the rows, and a file. */
export default function Usage(): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const [filters, change] = useFilters();
  const period = periodOf(filters.range ?? '30d');
  const measure = MEASURES.find((each) => each.value === filters.measure) ?? MEASURES[0]!;
  const group = (filters.by && filters.by in GROUPS ? filters.by : 'model') as Group;
  const how = GROUPS[group];
  const days = useDays({ period, parts: [how.kind], scope: filters.scope ?? 'all', filters, by: how.by }, me.user_id);
  const asked = { period, scope: filters.scope ?? 'all', by: how.timed ?? 'none', model: filters.model, team: filters.team, key: filters.key, user: filters.user } as const;
  const whole = useLatency({ ...asked, step: 'total' }, { enabled: how.timed !== undefined });
  const steps = useLatency({ ...asked, step: 'day' }, { enabled: how.timed !== undefined && measure.value === 'latency' });
  const all = useLatency({ ...asked, by: 'none', step: 'total' }, { enabled: measure.value === 'latency' });
  const timed = useMemo(() => new Map((how.timed ? (whole.data?.results ?? []) : []).map((each) => [each.group, each])), [how.timed, whole.data]);
  const labels = daysOf(period).map((date) => day(date).replace(/,? \d{4}$/, ''));
  const groups = (Object.keys(GROUPS) as Group[]).filter((each) => seesAll(me) || !GROUPS[each].everybody);
  const narrowed = ['model', 'team', 'user', 'key', 'tag'].filter((name) => filters[name]);

  function rowsBehind(id: string): void {
    const search: Record<string, string | undefined> = { range: filters.range ?? '30d', model: filters.model, team: filters.team, user: filters.user, key: filters.key };
    if (how.filter) search[how.filter] = id;
    if (group === 'customer') search.customer = id;
    if (group === 'organization') search.organization = id;
    void navigate({ to: '/activity', search: search as never });
  }

  return (
    <Page title="Usage" tools={<><ScopePicker /><RangePicker /></>}>
      <div className="row">
        <SegmentedControl size="xs" aria-label="Measure" value={measure.value} onChange={(value) => change({ measure: value === 'cost' ? undefined : value })} data={MEASURES.map(({ value, label }) => ({ value, label }))} />
        <Select size="xs" w={165} aria-label="Group by" allowDeselect={false} value={group} onChange={(by) => change({ by: by === 'model' ? undefined : (by ?? undefined) })} data={groups.map((value) => ({ value, label: `by ${GROUPS[value].label}` }))} />
        {narrowed.map((name) => (
          <Button key={name} variant="light" rightSection={<IconX size={12} />} onClick={() => change({ [name]: undefined })}>
            {name} {cut(filters[name] ?? '', 9)}
          </Button>
        ))}
        <SavedFilters page="usage" />
        <Button
          className="push"
          variant="default"
          leftSection={<IconDownload size={14} />}
          disabled={!days.data}
          onClick={() => days.data && saveFile(`usage-by-${group}-${period.start_date}-${period.end_date}.csv`, csvOf(linesOf(days.data, how.kind, measure), group))}
        >
          CSV by {how.label}
        </Button>
      </div>
      <Loaded of={days} rows={9}>
        {(found) => {
          const total = measure.of(totalOf(found)) ?? 0;
          const lines = linesOf(found, how.kind, measure);
          if (lines.length === 0) return <Card><Empty title="Nothing was used in this range">Choose a longer range, or take a filter away.</Empty></Card>;
          const slow = measure.value === 'latency';
          const series = slow ? seriesByGroup(steps.data?.results ?? [], daysOf(period), 7, (each) => each.duration_ms.p95) : seriesOf(found, period, how.kind, measure.of);
          const told = slow ? `${duration(all.data?.results[0]?.duration_ms.p95)} over all` : `${measure.format(total)} in ${period.days} days`;
          return (
            <>
              <Card title={`${measure.label} a day by ${how.label}`} aside={told}>
                {slow && how.timed === undefined ? (
                  <Empty title="No percentiles here">They are kept by model, provider, team, user and key.</Empty>
                ) : (
                  <Chart kind={slow ? 'lines' : 'bars'} label={`${measure.label} a day by ${how.label}`} labels={labels} series={slow ? series : largest(series)} format={measure.format} height={290} />
                )}
              </Card>
              <LineTable lines={lines} measure={measure} total={total} word={how.label} timed={timed} onRows={rowsBehind} onInto={how.filter ? (id) => change({ [how.filter!]: id, by: group === 'model' ? 'key' : 'model' }, { push: true }) : undefined} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
