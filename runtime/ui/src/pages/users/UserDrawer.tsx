import { Button, Drawer, Group, NumberInput, Select } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { manages, may, roleWord, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { money, plural } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Budget, Card, Chip, Facts, ModelsCell, Standing, When } from '@/shared/parts';
import { UserPermissions } from '@/shared/PermissionsCard';
import { Loaded } from '@/shared/states';

const ROLES = ['proxy_admin', 'proxy_admin_viewer', 'org_admin', 'devops', 'internal_user', 'internal_user_viewer'];
const TOUCHED = ['/user/list', '/user/info'] as const;

/** One person: role, budget, teams, keys, and what lets them use which model. */
export function UserDrawer({ id, onClose }: { id: string; onClose: () => void }): ReactNode {
  const user = useGet('/user/info', { user_id: id }, { keeps: false });
  return (
    <Drawer opened onClose={onClose} position="right" size={600} title={user.data?.user_info?.user_email ?? id}>
      <Loaded of={user} rows={9}>
        {(found) => (found.user_info ? <Opened found={found} user={found.user_info} onClose={onClose} /> : <p>There is no user {id}.</p>)}
      </Loaded>
    </Drawer>
  );
}

interface OpenedProps {
  found: Schemas['UserInfo'];
  user: Schemas['UserRecord'];
  onClose: () => void;
}

function Opened({ found, user, onClose }: OpenedProps): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const keys = found.keys.filter((key) => !key.blocked).length;
  const name = user.user_email ?? user.user_id;
  const block = useChange(() => send('post', user.blocked ? '/user/unblock' : '/user/block', { user_id: user.user_id }), { refreshes: TOUCHED, says: user.blocked ? 'The user is let in again' : 'The user is blocked', quiet: true });
  const remove = useChange(() => send('post', '/user/delete', { user_ids: [user.user_id] }), { refreshes: ['/user/list'], says: 'The user is deleted', then: onClose, quiet: true });
  const end = useChange(() => send('post', '/sessions/revoke', { user_id: user.user_id }), { says: (answer) => `${plural(answer.ended, 'session')} ended` });
  const writes = manages(me, 'users_write');
  return (
    <div className="stack">
      <Group gap="xs">
        {user.pending ? <Chip tone="warn">pending</Chip> : <Standing blocked={user.blocked || user.deactivated} />}
        <CopyId id={user.user_id} />
      </Group>
      <Facts
        of={[
          ['Name', user.user_alias],
          ['Role', <span key="r">{roleWord(user.user_role ?? '')} <span className="dim">given by {user.role_source ?? 'nobody known'}</span></span>],
          ['The directory says', user.claimed_role && `${roleWord(user.claimed_role)}; the role above stays`],
          ['Signs in as', user.sso_user_id],
          ['Spent', <Budget key="b" spend={user.spend ?? 0} limit={user.max_budget} window={user.budget_duration} />],
          ['Resets', user.budget_reset_at && <When at={user.budget_reset_at} />],
          ['Models', <ModelsCell key="m" models={user.models ?? []} />],
          ['Since', <When key="c" at={user.created_at} />],
        ]}
      />
      <Group gap="xs">
        <Button variant="default" onClick={() => void navigate({ to: '/activity', search: { user: user.user_id } as never })}>Requests</Button>
        <Button variant="default" onClick={() => void navigate({ to: '/usage', search: { user: user.user_id } as never })}>Usage</Button>
        {manages(me, 'sessions_write') && <Button variant="default" onClick={() => end.mutate(undefined)}>End sessions</Button>}
        {writes && (
          <Button variant="default" onClick={() => (user.blocked ? block.mutate(undefined) : confirm({ title: 'Block the user', effect: <><strong>{name}</strong> is signed out everywhere, and {plural(keys, 'key')} will stop working at once.</>, action: 'Block', run: () => block.mutateAsync(undefined) }))}>
            {user.blocked ? 'Unblock' : 'Block'}
          </Button>
        )}
        {writes && <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Delete the user', effect: <><strong>{name}</strong> goes for good, with {plural(found.keys.length, 'key')}. Requests stay in the ledger. To keep somebody out, block them.</>, action: 'Delete', run: () => remove.mutateAsync(undefined) })}>Delete</Button>}
      </Group>
      {writes && <Edit user={user} />}
      <UserPermissions id={user.user_id} />
      <Card title="Keys" aside={may(me, 'keys_read') && <Link to="/keys" search={{ user: user.user_id } as never}>All</Link>}>
        <table className="plain">
          <tbody>
            {found.keys.map((key) => <tr key={key.token}><td><Link to={`/keys/${key.token}`}>{key.key_alias ?? key.key_name}</Link></td><td>{key.team_id}</td><td className="num">{money(key.spend ?? 0)}</td></tr>)}
          </tbody>
        </table>
        {found.keys.length === 0 && <p className="dim small">No keys.</p>}
      </Card>
    </div>
  );
}

function Edit({ user }: { user: Schemas['UserRecord'] }): ReactNode {
  const [role, setRole] = useState(user.user_role ?? 'internal_user');
  const [budget, setBudget] = useState<number | null>(user.max_budget ?? null);
  const save = useChange((body: Record<string, unknown>) => send('post', '/user/update', { user_id: user.user_id, ...body }), { refreshes: TOUCHED, says: 'The user is changed' });
  return (
    <Card title="Role and budget">
      <Group gap="xs" align="end">
        <Select size="xs" label="Role" w={190} allowDeselect={false} data={ROLES.map((value) => ({ value, label: roleWord(value) }))} value={role} onChange={(value) => setRole(value ?? role)} />
        <NumberInput size="xs" label="Budget" w={120} prefix="$" min={0} placeholder="no limit" value={budget ?? ''} onChange={(value) => setBudget(value === '' ? null : Number(value))} />
        <Button loading={save.isPending} onClick={() => save.mutate({ ...(role === user.user_role ? {} : { user_role: role }), max_budget: budget })}>Save</Button>
        {user.role_source === 'api' && <Button variant="default" onClick={() => save.mutate({ follow_directory: true })}>Follow the directory again</Button>}
      </Group>
    </Card>
  );
}
