import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { Card, Chip, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { objectOf, sentence } from '../audit/words';

const FEW = 5;

/** Three short lists: deployments, models without a price, latest changes. Each for the roles that may see it. */
export function Lists(): ReactNode {
  const me = useMe();
  return (
    <div className="cols three">
      {may(me, 'deployments_read') && <Deployments />}
      {may(me, 'deployments_read') && <Unpriced />}
      {may(me, 'audit_read') && <Changes />}
    </div>
  );
}

function Deployments(): ReactNode {
  const checks = useGet('/health/latest');
  const alerts = useGet('/alerts', { open_only: true, page_size: FEW });
  return (
    <Card title="What needs a look" aside={<Link to="/alerts">Alerts</Link>}>
      <Loaded of={checks} rows={3}>
        {(found) => {
          const all = Object.values(found.latest_health_checks);
          const bad = all.filter((check) => check.status !== 'healthy');
          const open = alerts.data?.alerts ?? [];
          return (
            <table className="plain fits">
              <tbody>
                {bad.slice(0, FEW).map((check) => (
                  <tr key={check.health_check_id}><td><Link to="/routing" style={{ color: 'inherit' }}>{check.model_name}</Link></td><td className="num"><Chip tone="bad" title={check.error_message ?? ''}>unhealthy</Chip></td></tr>
                ))}
                {open.map((alert) => (
                  <tr key={alert.id}><td title={alert.message}>{alert.object}</td><td className="num"><Chip tone={alert.kind.startsWith('budget') ? 'warn' : 'bad'}>{alert.kind.replaceAll('_', ' ')}</Chip></td></tr>
                ))}
                <tr>{all.length > 0 ? <td>{all.length - bad.length} of {all.length} checked deployments</td> : <td>No deployment was checked</td>}<td className="num">{all.length > 0 ? <Chip tone={bad.length === 0 ? 'ok' : 'idle'}>healthy</Chip> : <span className="dim">checks are off or not due</span>}</td></tr>
              </tbody>
            </table>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Unpriced(): ReactNode {
  const models = useGet('/model/info');
  return (
    <Card title="Models without a price" aside="refused under a budget">
      <Loaded of={models} rows={3}>
        {({ data }) => {
          const names = [...new Set(data.filter((each) => !each.model_name.includes('*') && (each.model_info as Record<string, unknown>).input_cost_per_token === null).map((each) => each.model_name))];
          if (names.length === 0) return <p className="dim small">Every model has a price.</p>;
          return (
            <table className="plain fits">
              <tbody>
                {names.slice(0, FEW).map((name) => (
                  <tr key={name}><td>{name}</td><td className="num"><Link to="/models" search={{ q: name } as never}>Price it</Link></td></tr>
                ))}
              </tbody>
            </table>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Changes(): ReactNode {
  const audit = useGet('/audit', { page_size: FEW });
  return (
    <Card title="Latest changes" aside={<Link to="/audit">All</Link>}>
      <Loaded of={audit} rows={3}>
        {({ audit_logs }) =>
          audit_logs.length === 0 ? (
            <p className="dim small">Nobody has changed anything yet.</p>
          ) : (
            <table className="plain fits">
              <tbody>
                {audit_logs.map((each) => (
                  <tr key={each.id}><td><Link to={`/audit/${each.id}`} style={{ color: 'inherit' }}>{sentence(each)} <span className="mono dim">{objectOf(each)}</span></Link></td><td className="num dim"><When at={each.updated_at} /></td></tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
    </Card>
  );
}
