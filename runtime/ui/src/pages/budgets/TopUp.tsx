import { Button, Group, Modal, NumberInput, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange } from '@/api/client';
import { money } from '@/shared/format';
import type { Node } from './tree';

/** Raises a budget, with the reason kept beside it. */
export function TopUp({ node, onClose }: { node: Node; onClose: () => void }): ReactNode {
  const [more, setMore] = useState<number | ''>('');
  const [reason, setReason] = useState('');
  const [failed, setFailed] = useState('');
  const limit = (node.limit ?? 0) + Number(more || 0);
  const raise = useChange(
    (): Promise<unknown> => {
      const change = { max_budget: limit, metadata: { budget_raised_because: reason.trim() } };
      if (node.kind === 'key') return send('post', '/key/update', { key: node.id, ...change });
      if (node.kind === 'team') return send('post', '/team/update', { team_id: node.id, ...change });
      return send('post', '/user/update', { user_id: node.id, ...change });
    },
    { refreshes: ['/key/list', '/v2/team/list', '/user/list'], says: `The budget is ${money(limit)} now`, quiet: true, then: onClose },
  );
  return (
    <Modal opened onClose={onClose} title={`Raise the budget of ${node.name}`}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          raise.mutate(undefined, { onError: (error) => setFailed(error.message) });
        }}
      >
        <NumberInput label="More" prefix="$" min={0.01} required data-autofocus value={more} onChange={(value) => setMore(value === '' ? '' : Number(value))} description={`It is ${money(node.limit)} now, and will be ${money(limit)}`} />
        <TextInput label="Reason" description="It is kept in the metadata, and stands in the audit log" required value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        {failed && <div role="alert" className="note bad">{failed}</div>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={raise.isPending}>Raise it</Button>
        </Group>
      </form>
    </Modal>
  );
}
