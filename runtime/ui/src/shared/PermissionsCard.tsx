import { Tabs } from '@mantine/core';
import type { ReactNode } from 'react';
import { type Schemas, useGet } from '@/api/client';
import { roleWord } from '@/api/me';
import { money } from './format';
import { Card, Chip } from './parts';
import { Loaded } from './states';

type Permissions = Schemas['Permissions'];
type InTeam = Schemas['ModelsOfTeam'];

/** What a user may do now, and because of what. */
export function UserPermissions({ id }: { id: string }): ReactNode {
  const found = useGet('/user/permissions', { user_id: id }, { keeps: false });
  return <Card title="May do now" aside="a key can narrow it further"><Loaded of={found} rows={6}>{(told) => <Told of={told} />}</Loaded></Card>;
}

/** What a key may do now, and because of what. */
export function KeyPermissions({ token }: { token: string }): ReactNode {
  const found = useGet('/key/permissions', { key: token }, { keeps: false });
  return <Card title="May do now"><Loaded of={found} rows={6}>{(told) => <Told of={told} />}</Loaded></Card>;
}

function Told({ of }: { of: Permissions }): ReactNode {
  return (
    <Tabs defaultValue="models" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="models">Models</Tabs.Tab>
        <Tabs.Tab value="roles">Roles and access</Tabs.Tab>
        <Tabs.Tab value="limits">Budgets and limits</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="models" pt="xs"><div className="stack">{of.models.map((each) => <Models key={each.team_id ?? ''} of={each} />)}</div></Tabs.Panel>
      <Tabs.Panel value="roles" pt="xs"><Roles of={of} /></Tabs.Panel>
      <Tabs.Panel value="limits" pt="xs"><div className="stack">{of.models.map((each) => <Limits key={each.team_id ?? ''} of={each} />)}</div></Tabs.Panel>
    </Tabs>
  );
}

/** With which keys it is so: of a team, or of none. */
export function whereOf(of: Pick<InTeam, 'team_id'>): string {
  return of.team_id ? `with keys of the team ${of.team_id}` : 'with keys of no team';
}

function Models({ of }: { of: InTeam }): ReactNode {
  const models = of.models ?? [];
  const denied = of.denied ?? [];
  return (
    <div>
      <div className="dim small">{whereOf(of)}</div>
      {of.refusal ? (
        <Chip tone="bad">{of.refusal}</Chip>
      ) : (
        <table className="plain wrap">
          <tbody>
            {models.map((each) => <tr key={each.id}><td>{each.id}</td><td><Chip tone="ok">may</Chip></td><td className="dim">{each.because}</td></tr>)}
            {denied.map((each) => <tr key={each.id}><td>{each.id}</td><td><Chip tone="idle">may not</Chip></td><td className="dim">{each.because}</td></tr>)}
            {models.length + denied.length === 0 && <tr><td className="dim">There are no models.</td></tr>}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Roles({ of }: { of: Permissions }): ReactNode {
  const opened = Object.entries(of.opened ?? {});
  return (
    <div className="stack">
      <table className="plain wrap"><tbody>{of.roles.map((each) => <tr key={each.because}><td>{roleWord(each.role)}</td><td className="dim">{each.because}</td></tr>)}</tbody></table>
      <table className="plain wrap">
        <thead><tr><th>Access</th><th>Reaches</th><th>Because of</th></tr></thead>
        <tbody>
          {of.may.map((each) => <tr key={each.access}><td>{each.access.replaceAll('_', ' ')}</td><td>{each.reaches.join(', ')}</td><td className="dim">{each.because.join('; ')}</td></tr>)}
          {opened.map(([path, teams]) => <tr key={path}><td className="mono">{path}</td><td>team</td><td className="dim">opened to members by {teams.join(', ')}</td></tr>)}
        </tbody>
      </table>
      {(of.routes ?? []).length > 0 && <p className="small dim">This key is for {of.routes?.join(', ')} alone.</p>}
    </div>
  );
}

function Limits({ of }: { of: InTeam }): ReactNode {
  const budgets = of.budgets ?? [];
  const limits = of.limits ?? [];
  return (
    <div>
      <div className="dim small">{whereOf(of)}</div>
      {budgets.length + limits.length === 0 ? (
        <p className="dim small">No budget and no limit.</p>
      ) : (
        <table className="plain wrap">
          <tbody>
            {budgets.map((each, n) => <tr key={`b${n}`}><td>{each.level} {each.of}</td><td>{money(each.max_budget)}{each.duration ? ` each ${each.duration}` : ''}{each.model ? ` for ${each.model}` : ''}</td></tr>)}
            {limits.map((each, n) => <tr key={`l${n}`}><td>{each.level} {each.of}</td><td>{each.limit} {each.meter.replaceAll('_', ' ')}{each.model ? ` for ${each.model}` : ''}</td></tr>)}
          </tbody>
        </table>
      )}
    </div>
  );
}
