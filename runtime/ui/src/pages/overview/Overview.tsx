import { Skeleton } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMe } from '@/api/me';
import { line, seriesOf, totalOf, useDays } from '@/shared/activity';
import { Chart } from '@/shared/charts/Chart';
import { largest } from '@/shared/charts/colours';
import { compact, count, day, duration, money } from '@/shared/format';
import { useLatency } from '@/shared/latency';
import { Card } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { before, daysOf, periodOf } from '@/shared/period';
import { RangePicker, ScopePicker } from '@/shared/pickers';
import { Loaded } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { useNavigate } from '@tanstack/react-router';
import { Guide } from './Guide';
import { LatencyChart } from './LatencyChart';
import { Lists } from './Lists';
import { NearestBudgets } from './NearestBudgets';
import { Tiles } from './Tiles';

/** The first page: what was spent, how it went, and what needs a look. */
export default function Overview(): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const [filters] = useFilters();
  const period = periodOf(filters.range ?? '30d');
  const scope = filters.scope ?? 'all';
  const days = useDays({ period, parts: ['model_groups'], scope }, me.user_id);
  const earlier = useDays({ period: before(period), parts: [], scope }, me.user_id);
  const labels = daysOf(period).map((date) => day(date).replace(/,? \d{4}$/, ''));
  const latency = useLatency({ period, scope, step: 'total' }).data?.results[0];
  const pick = (label: string): void => open(daysOf(period)[labels.indexOf(label)]);
  const open = (date: string | undefined): void => {
    void navigate({ to: '/activity', search: { day: date, team: scope.startsWith('team:') ? scope.slice(5) : undefined } as never });
  };
  return (
    <Page title="Overview" tools={<><ScopePicker /><RangePicker /></>}>
      <Loaded of={days} rows={8}>
        {(found) => {
          const all = totalOf(found);
          if (!all.api_requests && scope === 'all' && earlier.data && !totalOf(earlier.data).api_requests) return <Guide />;
          return (
            <>
              <Tiles days={found} earlier={earlier.data} period={period} scope={scope} latency={latency} />
              <div className="cols two">
                <Card title="Spend a day by model" aside={`${money(all.spend ?? 0)} in ${period.days} days`}>
                  <Chart kind="bars" label={`Spend a day by model, ${money(all.spend ?? 0)} in all`} labels={labels} series={largest(seriesOf(found, period, 'model_groups', (each) => Number(each.spend ?? 0)))} format={(value) => money(value)} height={318} onPick={pick} />
                </Card>
                <Card title="Latency" aside={latency && `p50 ${duration(latency.duration_ms.p50)}, p95 ${duration(latency.duration_ms.p95)}`}>
                  <LatencyChart period={period} scope={scope} onPick={open} />
                  <div style={{ height: 14 }} />
                  <NearestBudgets />
                </Card>
              </div>
              <div className="cols half">
                <Card title="Requests a day" aside={`${count(all.api_requests ?? 0)}, ${count(all.failed_requests ?? 0)} not answered`}>
                  <Chart
                    kind="bars"
                    label="Answered, refused and failed requests by day"
                    labels={labels}
                    series={[
                      { name: 'answered', values: line(found, period, (each) => each.successful_requests ?? 0) },
                      { name: 'refused', values: line(found, period, (each) => each.refused_requests ?? 0) },
                      { name: 'failed', values: line(found, period, (each) => (each.failed_requests ?? 0) - (each.refused_requests ?? 0)) },
                    ]}
                    colours={['--s1', '--s3', '--s6']}
                    format={compact}
                    height={190}
                    onPick={pick}
                  />
                </Card>
                <Card title="Tokens a day" aside={`${compact(all.total_tokens ?? 0)}`}>
                  <Chart
                    kind="bars"
                    label="Tokens by day: input, cached input, output"
                    labels={labels}
                    series={[
                      { name: 'input', values: line(found, period, (each) => (each.prompt_tokens ?? 0) - (each.cache_read_input_tokens ?? 0)) },
                      { name: 'input from the cache', values: line(found, period, (each) => each.cache_read_input_tokens ?? 0) },
                      { name: 'output', values: line(found, period, (each) => each.completion_tokens ?? 0) },
                    ]}
                    colours={['--s2', '--s7', '--s4']}
                    format={compact}
                    height={190}
                    onPick={pick}
                  />
                </Card>
              </div>
              <Lists />
            </>
          );
        }}
      </Loaded>
      {days.isFetching && days.isPlaceholderData && <Skeleton height={2} />}
    </Page>
  );
}
