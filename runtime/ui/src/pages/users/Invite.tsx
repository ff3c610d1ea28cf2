import { Button, Group, Modal, MultiSelect, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { roleWord } from '@/api/me';
import { Copy } from '@/shared/Id';

const ROLES = ['internal_user', 'internal_user_viewer', 'devops', 'org_admin', 'proxy_admin_viewer', 'proxy_admin'];

/** Makes a user, and the link with which they set a password where no provider signs people in. */
export function Invite({ onClose }: { onClose: () => void }): ReactNode {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState('internal_user');
  const [teams, setTeams] = useState<string[]>([]);
  const [budget, setBudget] = useState<number | ''>('');
  const [failed, setFailed] = useState('');
  const [link, setLink] = useState<string | null>(null);
  const known = useGet('/v2/team/list', { page_size: 100 });
  const sso = useGet('/sso/readiness');
  const make = useChange(
    async () => {
      const body = { user_email: email.trim(), user_role: role, auto_create_key: false, ...(teams.length > 0 ? { teams } : {}), ...(budget === '' ? {} : { max_budget: budget, budget_duration: '30d' }) };
      const user = await send('post', '/user/new', body);
      return sso.data?.sso_configured ? '' : (await send('post', '/invitation/new', { user_id: user.user_id })).url;
    },
    { refreshes: ['/user/list'], quiet: true, then: setLink },
  );
  if (link !== null) {
    return (
      <Modal opened onClose={onClose} title={`${email} is a user now`} size="lg">
        <div className="stack">
          {link ? (
            <>
              <div className="note warn">Send this link. It counts once, for seven days, and is shown this one time.</div>
              <Group wrap="nowrap" gap="xs"><code className="mono" style={{ overflowWrap: 'anywhere' }}>{link}</code><Copy text={link} label="Copy the link" /></Group>
            </>
          ) : (
            <p>They sign in at the company's provider with this address. There is nothing to send.</p>
          )}
          <Group justify="flex-end"><Button onClick={onClose}>Done</Button></Group>
        </div>
      </Modal>
    );
  }
  return (
    <Modal opened onClose={onClose} title="Invite a user">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          setFailed('');
          make.mutate(undefined, { onError: (error) => setFailed(error.message) });
        }}
      >
        <TextInput label="Address" type="email" required data-autofocus value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <Select label="Role" allowDeselect={false} data={ROLES.map((value) => ({ value, label: roleWord(value) }))} value={role} onChange={(value) => setRole(value ?? 'internal_user')} />
          <NumberInput label="Budget each 30 days" prefix="$" min={0} placeholder="no limit" value={budget} onChange={(value) => setBudget(value === '' ? '' : Number(value))} />
        </SimpleGrid>
        <MultiSelect label="Teams" searchable clearable data={(known.data?.teams ?? []).map((team) => ({ value: team.team_id, label: team.team_alias ?? team.team_id }))} value={teams} onChange={setTeams} />
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={make.isPending}>Invite</Button>
        </Group>
      </form>
    </Modal>
  );
}
