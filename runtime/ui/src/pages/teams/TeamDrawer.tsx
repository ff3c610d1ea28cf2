import { Button, Drawer, Group, Select, TextInput } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { count, money, plural } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Budget, Card, Facts, ModelsCell, Standing, When } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { TeamForm } from './TeamForm';

type Info = Schemas['TeamInfo'];
const TOUCHED = ['/v2/team/list', '/team/info'] as const;

/** One team: its budget, its members with what they spent, its keys. */
export function TeamDrawer({ id, onClose }: { id: string; onClose: () => void }): ReactNode {
  const team = useGet('/team/info', { team_id: id }, { keeps: false });
  return (
    <Drawer opened onClose={onClose} position="right" size={620} title={team.data?.team_info.team_alias ?? id}>
      <Loaded of={team} rows={9}>{(info) => <Opened info={info} onClose={onClose} />}</Loaded>
    </Drawer>
  );
}

function Opened({ info, onClose }: { info: Info; onClose: () => void }): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const [edits, setEdits] = useState(false);
  const team = info.team_info;
  const writes = manages(me, 'teams_write');
  const active = info.keys.filter((key) => !key.blocked).length;
  const block = useChange(() => send('post', team.blocked ? '/team/unblock' : '/team/block', { team_id: team.team_id }), { refreshes: TOUCHED, says: team.blocked ? 'The team works again' : 'The team is blocked', quiet: true });
  const remove = useChange(() => send('post', '/team/delete', { team_ids: [team.team_id] }), { refreshes: ['/v2/team/list', '/key/list'], says: 'The team is deleted', then: onClose, quiet: true });
  const name = team.team_alias ?? team.team_id;
  return (
    <div className="stack">
      <Group gap="xs"><Standing blocked={team.blocked} /><CopyId id={team.team_id} /></Group>
      <Facts
        of={[
          ['Organization', team.organization_id],
          ['Spent', <Budget key="b" spend={team.spend ?? 0} limit={team.max_budget} window={team.budget_duration} />],
          ['Resets', team.budget_reset_at && <When at={team.budget_reset_at} />],
          ['Models', <ModelsCell key="m" models={team.models ?? []} />],
          ['Limits', [team.rpm_limit && `${count(team.rpm_limit)} rpm`, team.tpm_limit && `${count(team.tpm_limit)} tpm`].filter(Boolean).join(', ')],
          ['Created', <When key="c" at={team.created_at} />],
        ]}
      />
      <Group gap="xs">
        <Button variant="default" onClick={() => void navigate({ to: '/activity', search: { team: team.team_id } as never })}>Its requests</Button>
        <Button variant="default" onClick={() => void navigate({ to: '/usage', search: { team: team.team_id, by: 'key' } as never })}>Its usage</Button>
        {writes && <Button variant="default" onClick={() => setEdits(true)}>Edit</Button>}
        {writes && (
          <Button variant="default" onClick={() => (team.blocked ? block.mutate(undefined) : confirm({ title: 'Block the team', effect: <>{plural(active, 'key')} of <strong>{name}</strong> will stop working at once, until it is unblocked.</>, action: 'Block', run: () => block.mutateAsync(undefined) }))}>
            {team.blocked ? 'Unblock' : 'Block'}
          </Button>
        )}
        {writes && (
          <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Delete the team', effect: <>The team <strong>{name}</strong> goes, and {plural(info.keys.length, 'key')} with it, for good. Its requests stay in the ledger.</>, action: 'Delete', run: () => remove.mutateAsync(undefined) })}>
            Delete
          </Button>
        )}
      </Group>
      <Members info={info} writes={writes} />
      <Card title="Keys" aside={<Link to="/keys" search={{ team: team.team_id } as never}>All {count(info.keys.length)}</Link>}>
        <table className="plain">
          <tbody>
            {info.keys.slice(0, 12).map((key) => (
              <tr key={key.token}><td><Link to={`/keys/${key.token}`}>{key.key_alias ?? key.key_name}</Link></td><td>{key.user_id ?? <span className="dim">service</span>}</td><td className="num">{money(key.spend ?? 0)}</td></tr>
            ))}
          </tbody>
        </table>
        {info.keys.length === 0 && <p className="dim small">The team has no keys yet.</p>}
      </Card>
      {edits && <TeamForm team={team} onClose={() => setEdits(false)} />}
    </div>
  );
}

function Members({ info, writes }: { info: Info; writes: boolean }): ReactNode {
  const confirm = useConfirm();
  const [who, setWho] = useState('');
  const [role, setRole] = useState<string>('user');
  const team_id = info.team_id;
  const add = useChange(() => send('post', '/team/member_add', { team_id, member: { role, ...(who.includes('@') ? { user_email: who.trim() } : { user_id: who.trim() }) } }), { refreshes: TOUCHED, says: 'The member is added', then: () => setWho('') });
  const remove = useChange((user_id: string) => send('post', '/team/member_delete', { team_id, user_id }), { refreshes: TOUCHED, says: 'The member is out', quiet: true });
  return (
    <Card title="Members" aside={count(info.team_memberships.length)}>
      <table className="plain">
        <thead><tr><th>User</th><th>Role</th><th>Kept by</th><th className="num">Spent</th>{writes && <th />}</tr></thead>
        <tbody>
          {info.team_memberships.map((each) => (
            <tr key={each.user_id}>
              <td><Link to={`/users/${each.user_id}`}>{each.user_id}</Link></td>
              <td>{each.role}</td>
              <td className="dim">{each.source ?? 'hand'}</td>
              <td className="num">{money(each.spend ?? 0)}</td>
              {writes && (
                <td className="num">
                  <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Take a member out', effect: <><strong>{each.user_id}</strong> leaves the team, and the keys that the member has in it stop working.</>, action: 'Take out', run: () => remove.mutateAsync(each.user_id) })}>Take out</Button>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {writes && (
        <form
          className="row"
          style={{ marginTop: 10 }}
          onSubmit={(event) => {
            event.preventDefault();
            add.mutate(undefined);
          }}
        >
          <TextInput size="xs" aria-label="Address or id of the new member" placeholder="Address or id" required value={who} onChange={(event) => setWho(event.currentTarget.value)} style={{ flex: 1 }} />
          <Select size="xs" w={100} aria-label="Role in the team" allowDeselect={false} data={['user', 'admin']} value={role} onChange={(value) => setRole(value ?? 'user')} />
          <Button type="submit" loading={add.isPending}>Add</Button>
        </form>
      )}
    </Card>
  );
}
