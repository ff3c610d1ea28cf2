import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { send, useChange } from '@/api/client';
import { useConfirm } from '@/shared/confirm';
import { plural } from '@/shared/format';
import { type KeyFacts, nameOf } from './key';

interface BulkBarProps {
  picked: ReadonlySet<string>;
  rows: readonly KeyFacts[];
  done: () => void;
}

/** What can be done with the chosen keys at once. */
export function BulkBar({ picked, rows, done }: BulkBarProps): ReactNode {
  const confirm = useConfirm();
  const chosen = rows.filter((key) => picked.has(key.token));
  const block = useChange((blocked: boolean) => send('post', '/key/bulk_update', { keys: [...picked].map((key) => ({ key, blocked })) }), {
    refreshes: ['/key/list', '/key/info'],
    says: (answer) => `${plural(answer.successful_updates.length, 'key')} changed${answer.failed_updates.length ? `, ${answer.failed_updates.length} not: ${answer.failed_updates[0]?.failed_reason}` : ''}`,
    then: done,
  });
  const remove = useChange(() => send('post', '/key/delete', { keys: [...picked] }), {
    refreshes: ['/key/list'],
    says: (answer) => `${plural(answer.deleted_keys.length, 'key')} deleted`,
    then: done,
  });
  const named = chosen.slice(0, 6).map(nameOf).join(', ') + (chosen.length > 6 ? ` and ${chosen.length - 6} more` : '');
  const effect = (what: string): ReactNode => (
    <>
      {plural(picked.size, 'key')} will stop working at once{what}: <strong>{named}</strong>
    </>
  );
  return (
    <>
      <span className="small dim">{plural(picked.size, 'key')} chosen</span>
      <Button variant="default" onClick={() => confirm({ title: 'Block keys', effect: effect(', until they are unblocked'), action: 'Block', run: () => block.mutateAsync(true) })}>
        Block
      </Button>
      <Button variant="default" onClick={() => block.mutate(false)}>
        Unblock
      </Button>
      <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Delete keys', effect: effect(', for good'), action: 'Delete', run: () => remove.mutateAsync(undefined) })}>
        Delete
      </Button>
    </>
  );
}
