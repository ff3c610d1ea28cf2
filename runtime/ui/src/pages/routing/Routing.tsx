import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { totalOf, useDays } from '@/shared/activity';
import { count, duration, percent } from '@/shared/format';
import { useLatency } from '@/shared/latency';
import { Card, Chip } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { periodOf } from '@/shared/period';
import { Loaded } from '@/shared/states';
import { TONES, idOf, params, standing } from '../models/model';
import { DryRun } from './DryRun';
import { Fallbacks } from './Fallbacks';
import { Awaited, ChecksFailure, LastHour, useLastHours } from './LastHour';

const EVERY_MS = 10_000;

/** The providers as they are now, where calls go when one fails, and a dry run through the planner. */
export default function Routing(): ReactNode {
  const me = useMe();
  const models = useGet('/model/info', {}, { everyMs: EVERY_MS });
  const settings = useGet('/router/settings', {}, { enabled: may(me, 'settings_read') });
  const checks = useGet('/health/latest', {}, { everyMs: EVERY_MS });
  const hours = useLastHours();
  const period = periodOf('2d');
  const days = useDays({ period, parts: ['providers'] }, me.user_id);
  const latency = useLatency({ period, step: 'total', by: 'provider' });
  const times = new Map((latency.data?.results ?? []).map((each) => [each.group, each.duration_ms]));
  const providers = new Map<string, { requests: number; failed: number }>();
  for (const day of days.data ?? []) {
    for (const [name, share] of Object.entries(day.breakdown.providers ?? {})) {
      const sum = providers.get(name) ?? { requests: 0, failed: 0 };
      sum.requests += share.metrics.api_requests ?? 0;
      sum.failed += share.metrics.failed_requests ?? 0;
      providers.set(name, sum);
    }
  }
  const strategy = settings.data?.fields.find((field) => field.field_name === 'routing_strategy');
  return (
    <Page title="Routing">
      <DryRun />
      <div className="cols two">
        <Card title="Deployments now" aside="as the worker that answers sees them">
          <ChecksFailure of={[hours.asked, checks]} />
          <Loaded of={models} rows={8}>
            {({ data }) => (
              <div style={{ overflowX: 'auto' }}>
                <table className="plain">
                  <thead><tr><th>Model</th><th>Served by</th><th>State</th><th>Last check</th><th>Last hour</th><th className="num">Order</th><th className="num">Weight</th></tr></thead>
                  <tbody>
                    {data.map((each) => {
                      const { state, detail } = standing(each);
                      const check = checks.data?.latest_health_checks[idOf(each)];
                      return (
                        <tr key={idOf(each)}>
                          <td>{each.model_name}</td>
                          <td className="dim narrow" title={String(params(each).model ?? '')}>{String(params(each).model ?? '')}</td>
                          <td><Chip tone={TONES[state] ?? 'idle'} title={detail}>{state}</Chip>{detail && <span className="dim small"> {detail}</span>}</td>
                          <td>{check ? <Chip tone={check.status === 'healthy' ? 'ok' : 'bad'} title={check.error_message ?? ''}>{check.status}</Chip> : checks.data ? <span className="dim">none</span> : <Awaited of={checks} />}</td>
                          <td><LastHour of={hours} id={idOf(each)} /></td>
                          <td className="num">{params(each).order === undefined ? '' : String(params(each).order)}</td>
                          <td className="num">{String(params(each).weight ?? 1)}</td>
                        </tr>
                      );
                    })}
                  </tbody>
                </table>
              </div>
            )}
          </Loaded>
        </Card>
        <div className="stack">
          <Card title="Providers since yesterday" aside={days.data && `${count(totalOf(days.data).api_requests ?? 0)} requests`}>
            <Loaded of={days} rows={4}>
              {() => (
                <table className="plain">
                  <thead><tr><th>Provider</th><th className="num">Requests</th><th className="num">Not answered</th><th className="num">p50</th><th className="num">p95</th></tr></thead>
                  <tbody>
                    {[...providers.entries()].sort((a, b) => b[1].requests - a[1].requests).map(([name, sum]) => (
                      <tr key={name}><td>{name || <span className="dim" title="Refused before a provider was chosen">none chosen</span>}</td><td className="num">{count(sum.requests)}</td><td className="num">{percent(sum.requests ? sum.failed / sum.requests : 0)}</td><td className="num">{duration(times.get(name)?.p50)}</td><td className="num">{duration(times.get(name)?.p95)}</td></tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Loaded>
          </Card>
          {may(me, 'settings_read') && (
            <Card title="Fallbacks" aside={strategy && `strategy ${String(strategy.field_value ?? 'simple-shuffle')}`}>
              <Loaded of={settings} rows={3}>{({ fields }) => <Fallbacks fields={fields} />}</Loaded>
            </Card>
          )}
        </div>
      </div>
    </Page>
  );
}
