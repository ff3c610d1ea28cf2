import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { count, plural } from '@/shared/format';
import { Card, Chip, Facts, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Loaded } from '@/shared/states';
import { CacheSettings } from './CacheSettings';
import { RouterSettings } from './RouterSettings';

const EVERY_MS = 10_000;

/** How the gateway itself is: its database, workers and versions, the config in force and where each value comes from. */
export default function Settings(): ReactNode {
  const ready = useGet('/health/readiness/details', {}, { everyMs: EVERY_MS });
  const hosts = useGet('/config/hosts', {}, { everyMs: EVERY_MS });
  return (
    <Page title="Settings">
      <div className="cols half">
        <Card title="The gateway">
          <Loaded of={ready} rows={5}>
            {(told) => (
              <Facts
                of={[
                  ['State', <Chip key="s" tone={told.status === 'healthy' ? 'ok' : 'warn'}>{told.status}</Chip>],
                  ['Database', <Chip key="d" tone={told.db === 'connected' ? 'ok' : 'bad'}>{told.db}</Chip>],
                  ['Rows not booked yet', count(told.ledger_rows_waiting ?? 0)],
                  ['Version', told.litellm_version],
                  ['Response cache', told.cache ?? 'off'],
                  ['Config file', <Chip key="c" tone={told.config === 'in force' ? 'ok' : 'warn'}>{told.config}</Chip>],
                  ['Its content', <span key="h" className="mono">{told.config_hash}</span>],
                  ['Deployments left out', (told.deployments_skipped ?? 0) > 0 && <Chip key="x" tone="bad">{count(told.deployments_skipped)}</Chip>],
                ]}
              />
            )}
          </Loaded>
        </Card>
        <Card title="Hosts and workers" aside={hosts.data && (hosts.data.same ? 'all with the same config' : 'their configs differ')}>
          <Loaded of={hosts} rows={3}>
            {(told) => (
              <div style={{ overflowX: 'auto' }}>
                <table className="plain">
                  <thead><tr><th>Host</th><th>Config</th><th className="num">Workers</th><th className="num">Deployments</th><th className="num">Loaded</th></tr></thead>
                  <tbody>
                    {told.hosts.map((host) => (
                      <tr key={host.host}><td>{host.host}</td><td className="mono" title={host.config_error ?? ''}>{host.config_hash}{host.config_error && <Chip tone="bad">refused</Chip>}</td><td className="num">{count(host.workers ?? 1)}</td><td className="num">{count(host.models ?? 0)}</td><td className="num"><When at={host.loaded_at} /></td></tr>
                    ))}
                  </tbody>
                </table>
                {told.hosts.filter((host) => host.config_error).map((host) => <div key={host.host} className="note bad" style={{ marginTop: 10 }}>{host.config_error}</div>)}
                {told.needs_restart.length > 0 && <div className="note warn" style={{ marginTop: 10 }}>These settings have changed in the file and take effect at the next start: {told.needs_restart.join(', ')}</div>}
                {told.hosts.filter((host) => host.settings_refused?.length).map((host) => (
                  <div key={`${host.host} ${host.config_hash}`} className="note bad" style={{ marginTop: 10 }}>
                    <strong>{host.host}</strong> can’t use {plural(host.settings_refused!.length, 'stored setting')}:
                    <ul style={{ margin: '4px 0 0', paddingLeft: 18 }}>{host.settings_refused!.map((each) => <li key={each}>{each}</li>)}</ul>
                  </div>
                ))}
              </div>
            )}
          </Loaded>
        </Card>
      </div>
      <CacheSettings />
      <RouterSettings />
    </Page>
  );
}
