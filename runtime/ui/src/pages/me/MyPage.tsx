import { Button } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { may, nameOfMe, roleWord, useMe } from '@/api/me';
import { line, totalOf, useDays } from '@/shared/activity';
import { Chart } from '@/shared/charts/Chart';
import { count, day, money } from '@/shared/format';
import { Budget, Card, Chip, Facts, Standing, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { daysOf, periodOf } from '@/shared/period';
import { RangePicker } from '@/shared/pickers';
import { Snippets } from '@/shared/Snippets';
import { Empty, Loaded } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { MyModels } from './MyModels';
import { MySessions } from './MySessions';

/** What one spent, what one may use, and how. */
export default function MyPage(): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const [filters] = useFilters();
  const period = periodOf(filters.range ?? '30d');
  const days = useDays({ period, parts: [], scope: me.user_id ? 'me' : 'all' }, me.user_id);
  const keys = useGet('/key/list', { user_id: me.user_id ?? undefined, size: 50, return_full_object: true }, { enabled: may(me, 'keys_read') });
  const labels = daysOf(period).map((date) => day(date).replace(/,? \d{4}$/, ''));
  const model = me.models.find((each) => !each.id.includes('*'))?.id ?? 'gpt-4';
  return (
    <Page title="My page" tools={<RangePicker />}>
      <div className="cols half">
        <Card title={me.user?.user_alias ?? nameOfMe(me)}>
          <Facts
            of={[
              ['Role', <span key="r">{roleWord(me.role)}{me.user?.role_source ? <span className="dim"> given by {me.user.role_source}</span> : null}</span>],
              ['Address', me.user?.user_email],
              ['User id', <span key="i" className="mono">{me.user_id}</span>],
              ['Teams', Object.keys(me.teams).length > 0 && Object.entries(me.teams).map(([team, role]) => <span key={team} style={{ marginRight: 10 }}><Link to={`/teams/${team}`}>{team}</Link> <span className="dim">{role}</span></span>)],
              ['Organizations', Object.keys(me.organizations).join(', ')],
              ['Spent', me.user && <Budget key="b" spend={me.user.spend ?? 0} limit={me.user.max_budget} window={me.user.budget_duration} />],
              ['Budget resets', me.user?.budget_reset_at && <When at={me.user.budget_reset_at} />],
              ...me.budgets.map((each) => [`Budget of the ${each.level}`, `${money(each.max_budget)}${each.duration ? ` each ${each.duration}` : ''}${each.model ? ` for ${each.model}` : ''} (${each.of})`] as const),
              ...me.limits.map((each) => [`Limit of the ${each.level}`, `${count(each.limit)} ${each.meter.replaceAll('_', ' ')}${each.model ? ` for ${each.model}` : ''}`] as const),
            ]}
          />
        </Card>
        <Card title="My spend a day" aside={days.data && `${money(totalOf(days.data).spend ?? 0)}, ${count(totalOf(days.data).api_requests ?? 0)} requests`}>
          <Loaded of={days} rows={5}>
            {(found) => <Chart kind="bars" label="My spend by day" labels={labels} series={[{ name: 'spend', values: line(found, period, (each) => Number(each.spend ?? 0)) }]} colours={['--s1']} format={(value) => money(value)} height={170} />}
          </Loaded>
        </Card>
      </div>
      <Card title="My keys" aside={may(me, 'keys_write') && <Link to="/keys" search={{ new: '1' } as never}>New key</Link>}>
        <Loaded of={keys} rows={3}>
          {(found) =>
            found.keys.length === 0 ? (
              <Empty title="You have no key yet" action={may(me, 'keys_write') && <Button onClick={() => void navigate({ to: '/keys', search: { new: '1' } as never })}>Make a key</Button>}>
                With a key your programs call models.
              </Empty>
            ) : (
              <table className="plain">
                <thead><tr><th>Alias</th><th>State</th><th>Team</th><th>Spent</th><th className="num">Expires</th></tr></thead>
                <tbody>
                  {found.keys.map((key) => typeof key !== 'string' && (
                    <tr key={key.token}>
                      <td><Link to={`/keys/${key.token}`}>{key.key_alias ?? key.key_name}</Link></td>
                      <td><Standing blocked={key.blocked} expired={key.status === 'expired'} /></td>
                      <td>{key.team_id}</td>
                      <td><Budget spend={key.spend ?? 0} limit={key.max_budget} window={key.budget_duration} /></td>
                      <td className="num">{key.expires ? <When at={key.expires} /> : 'never'}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          }
        </Loaded>
      </Card>
      <div className="cols half">
        <MyModels />
        <div className="stack">
          <Card title="How to call" aside={<Chip tone="ok">{model}</Chip>}>
            <Snippets apiKey="sk-your-key" model={model} />
          </Card>
          {may(me, 'sessions_read') && <MySessions />}
        </div>
      </div>
    </Page>
  );
}
