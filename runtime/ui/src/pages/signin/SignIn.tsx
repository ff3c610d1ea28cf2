import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { roleWord } from '@/api/me';
import { ROOT } from '@/api/place';
import { Copy } from '@/shared/Id';
import { Card, Chip, Facts } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty, Loaded } from '@/shared/states';
import { Preview } from './Preview';
import { Sessions } from './Sessions';

interface RoleMappings {
  roles?: Record<string, string[]>;
  default_role?: string | null;
}
interface TeamMappings {
  groups?: Record<string, string>;
  create_teams?: boolean;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const TABLES = ['role_mappings', 'team_mappings'];

/** How people sign in: the settings in force with their sources, the redirect URI, and what groups mean. */
export default function SignIn(): ReactNode {
  const settings = useGet('/get/sso_settings');
  const ready = useGet('/sso/readiness');
  return (
    <Page title="Sign-in">
      <div className="cols half">
        <Card title="Providers" aside={ready.data && <Chip tone={ready.data.status === 'healthy' ? 'ok' : ready.data.status === 'unhealthy' ? 'bad' : 'idle'}>{ready.data.status.replaceAll('_', ' ')}</Chip>}>
          <Loaded of={settings} rows={5}>
            {(told) => (
              <div className="stack">
                <Facts of={[['Set up', told.providers.join(', ') || 'none: people sign in by invitation and password'], ['Redirect URI', <span key="r"><span className="mono">{told.redirect_uri}</span> <Copy text={told.redirect_uri} label="Copy the redirect URI" /></span>]]} />
                {[...(told.flaws ?? []), ...(ready.data?.missing ?? [])].map((flaw) => <div key={flaw} className="note warn">{flaw}</div>)}
                {told.providers.length > 0 && <Button component="a" href={`${ROOT}/sso/debug/login`} variant="default" style={{ justifySelf: 'start' }}>Try a sign-in and see its claims</Button>}
              </div>
            )}
          </Loaded>
        </Card>
        <Card title="Settings in force" aside="secrets are stars">
          <Loaded of={settings} rows={5}>
            {(told) => {
              const values = Object.entries(told.values as Record<string, unknown>).filter(([name]) => !TABLES.includes(name));
              if (values.length === 0) return <Empty title="Nothing is set">Set MICROSOFT_CLIENT_ID, MICROSOFT_CLIENT_SECRET and MICROSOFT_TENANT to let people of your tenant sign in.</Empty>;
              return (
                <table className="plain wrap">
                  <thead><tr><th>Setting</th><th>Value</th><th>From</th></tr></thead>
                  <tbody>{values.map(([name, value]) => <tr key={name}><td className="mono">{name}</td><td className="mono">{shown(value)}</td><td className="dim">{told.sources[name] ?? 'default'}</td></tr>)}</tbody>
                </table>
              );
            }}
          </Loaded>
        </Card>
      </div>
      <Card title="What groups mean" aside="a role that an admin or SQL gave stays">
        <Loaded of={settings} rows={3}>
          {(told) => {
            const values = told.values as Record<string, unknown>;
            const roles = Object.entries((values.role_mappings as RoleMappings | undefined)?.roles ?? {});
            const teams = Object.entries((values.team_mappings as TeamMappings | undefined)?.groups ?? {});
            if (roles.length + teams.length === 0) return <p className="dim small">No group is mapped. New people are team members.</p>;
            return (
              <table className="plain wrap">
                <thead><tr><th>Group</th><th>Gives</th></tr></thead>
                <tbody>
                  {roles.flatMap(([role, groups]) => groups.map((group) => <tr key={`${role} ${group}`}><td className="mono">{group}</td><td>the role {roleWord(role)}</td></tr>))}
                  {teams.map(([group, team]) => <tr key={group}><td className="mono">{group}</td><td>the team {team}</td></tr>)}
                </tbody>
              </table>
            );
          }}
        </Loaded>
      </Card>
      <div className="cols half">
        <Preview />
        <Sessions />
      </div>
    </Page>
  );
}
