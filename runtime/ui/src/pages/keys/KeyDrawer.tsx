import { Button, Drawer, Group, Modal, Select } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { money, utc } from '@/shared/format';
import { CopyId } from '@/shared/Id';
import { Budget, Facts, ModelsCell, Standing, When } from '@/shared/parts';
import { KeyPermissions } from '@/shared/PermissionsCard';
import { Loaded } from '@/shared/states';
import { EditKey } from './EditKey';
import { type KeyFacts, limitsOf, nameOf } from './key';
import { Secret } from './Secret';

const GRACES = [
  { value: '0s', label: 'at once' },
  { value: '1h', label: 'for an hour' },
  { value: '24h', label: 'for a day' },
  { value: '7d', label: 'for 7 days' },
];
const TOUCHED = ['/key/list', '/key/info'] as const;

/** One key: what it may do, what it spent, and what can be done with it. */
export function KeyDrawer({ token, onClose }: { token: string; onClose: () => void }): ReactNode {
  const key = useGet('/key/info', { key: token }, { keeps: false });
  return (
    <Drawer opened onClose={onClose} position="right" size={560} title={key.data ? nameOf(key.data.info) : 'Key'}>
      <Loaded of={key} rows={9}>
        {({ info }) => <Opened info={info} onClose={onClose} />}
      </Loaded>
    </Drawer>
  );
}

function Opened({ info, onClose }: { info: KeyFacts; onClose: () => void }): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const [edits, setEdits] = useState(false);
  const expired = info.status === 'expired';
  return (
    <div className="stack">
      <Group gap="xs">
        <Standing blocked={info.blocked} expired={expired} word={info.status} />
        <span className="mono dim">{info.key_name}</span>
        <CopyId id={info.token} />
      </Group>
      <Facts
        of={[
          ['Owner', info.user_id ? <Link to={`/users/${info.user_id}`}>{info.user?.user_email ?? info.user_id}</Link> : 'a service, no person'],
          ['Team', info.team_id ? <Link to={`/teams/${info.team_id}`}>{info.team_id}</Link> : 'none'],
          ['Models', <ModelsCell key="m" models={info.models ?? []} />],
          ['Spent', <Budget key="b" spend={info.spend ?? 0} limit={info.max_budget} window={info.budget_duration} />],
          ['Budget resets', info.budget_reset_at ? <When at={info.budget_reset_at} /> : null],
          ['Soft budget', info.soft_budget ? money(info.soft_budget) : null],
          ['Limits', limitsOf(info) || 'none of its own'],
          ['Routes', info.allowed_routes?.join(', ')],
          ['Expires', info.expires ? <When at={info.expires}>{utc(info.expires)}</When> : 'never'],
          ['Created', <span key="c"><When at={info.created_at} /> by {info.created_by ?? 'nobody known'}</span>],
          ['Changed', info.updated_at !== info.created_at ? <When at={info.updated_at} /> : null],
          ['Replaced', info.rotation_count ? `${info.rotation_count} times` : null],
        ]}
      />
      <Group gap="xs">
        <Button variant="default" onClick={() => void navigate({ to: '/activity', search: { key: info.token } as never })}>
          Its requests
        </Button>
        <Button variant="default" onClick={() => void navigate({ to: '/usage', search: { key: info.token } as never })}>
          Its usage
        </Button>
        {may(me, 'keys_write') && (
          <Button variant="default" onClick={() => setEdits(true)}>
            Edit
          </Button>
        )}
      </Group>
      {info.token && <KeyPermissions token={info.token} />}
      {may(me, 'keys_write') && <Actions info={info} onClose={onClose} />}
      {edits && <EditKey info={info} onClose={() => setEdits(false)} />}
    </div>
  );
}

function Actions({ info, onClose }: { info: KeyFacts; onClose: () => void }): ReactNode {
  const confirm = useConfirm();
  const navigate = useNavigate();
  const [grace, setGrace] = useState('24h');
  const [secret, setSecret] = useState('');
  const name = nameOf(info);
  const block = useChange(() => send('post', info.blocked ? '/key/unblock' : '/key/block', { key: info.token }), { refreshes: TOUCHED, says: info.blocked ? 'The key works again' : 'The key is blocked' });
  const rotate = useChange(() => send('post', '/key/regenerate', { key: info.token, grace_period: grace }), { refreshes: TOUCHED, quiet: true, then: (answer) => setSecret(answer.key) });
  const remove = useChange(() => send('post', '/key/delete', { keys: [info.token] }), { refreshes: ['/key/list'], says: 'The key is deleted', then: onClose, quiet: true });
  const reset = useChange(() => send('post', '/key/{key}/reset_spend', { reset_to: 0 }, { key: info.token }), { refreshes: TOUCHED, says: 'Its spend counts from zero again', quiet: true });
  return (
    <div className="card stack">
      <Group gap="xs">
        {info.blocked ? (
          <Button variant="default" onClick={() => block.mutate(undefined)}>
            Unblock
          </Button>
        ) : (
          <Button variant="default" onClick={() => confirm({ title: 'Block the key', effect: <>1 key will stop working at once, until it is unblocked: <strong>{name}</strong></>, action: 'Block', run: () => block.mutateAsync(undefined) })}>
            Block
          </Button>
        )}
        <Button variant="default" onClick={() => confirm({ title: 'Reset its spend', effect: `The ${money(info.spend)} that ${name} has spent will no longer count towards its budget. The ledger stays.`, action: 'Reset', run: () => reset.mutateAsync(undefined) })}>
          Reset spend
        </Button>
        <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Delete the key', effect: <>1 key will stop working at once and for good: <strong>{name}</strong>. Its requests stay in the ledger.</>, action: 'Delete', run: () => remove.mutateAsync(undefined) })}>
          Delete
        </Button>
      </Group>
      <Group gap="xs" align="end">
        <Select label="Replace by a new secret; the old one stays good" size="xs" data={GRACES} allowDeselect={false} value={grace} onChange={(value) => setGrace(value ?? '0s')} w={240} />
        <Button
          variant="default"
          onClick={() =>
            confirm({
              title: 'Replace the secret',
              effect: `Programs that use ${name} need the new secret${grace === '0s' ? ' at once' : ' before the old one ends'}. Budget, limits and history stay.`,
              action: 'Replace',
              run: () => rotate.mutateAsync(undefined),
            })
          }
        >
          Rotate
        </Button>
      </Group>
      <Modal opened={secret !== ''} onClose={() => setSecret('')} title={`The new secret of ${name}`} size="lg" closeOnClickOutside={false}>
        <Secret
          secret={secret}
          model={info.models?.[0] ?? 'gpt-4'}
          onDone={() => {
            setSecret('');
            void navigate({ to: '/keys' });
          }}
        />
      </Modal>
    </div>
  );
}
