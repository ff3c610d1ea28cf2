import { Button, Modal, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { send, useChange } from '@/api/client';
import { type SavedFilter, nameOf } from './saved';

/** Gives saved filters other names, and deletes them. It closes with the last one. */
export function ManageFilters({ of, onClose }: { of: readonly SavedFilter[]; onClose: () => void }): ReactNode {
  const none = of.length === 0;
  useEffect(() => {
    if (none) onClose();
  }, [none, onClose]);
  return (
    <Modal opened onClose={onClose} title="Saved filters" centered size={520}>
      <div className="stack">
        {of.map((each) => (
          <OneFilter key={each.filter_id} of={each} />
        ))}
      </div>
    </Modal>
  );
}

function OneFilter({ of }: { of: SavedFilter }): ReactNode {
  const [name, setName] = useState(of.name);
  const kept = nameOf(name);
  const slots = { filter_id: of.filter_id };
  const rename = useChange(() => send('patch', '/saved_filters/{filter_id}', { name }, slots), { refreshes: ['/saved_filters'], says: 'Renamed', quiet: true });
  const remove = useChange(() => send('delete', '/saved_filters/{filter_id}', {}, slots), { refreshes: ['/saved_filters'], says: `${of.name} is deleted` });
  function submit(event: FormEvent): void {
    event.preventDefault();
    rename.mutate(undefined);
  }
  return (
    <form onSubmit={submit} className="row" style={{ flexWrap: 'nowrap', alignItems: 'start' }}>
      <TextInput size="xs" style={{ flex: 1 }} aria-label={`Name of ${of.name}`} maxLength={80} required value={name} onChange={(event) => setName(event.currentTarget.value)} error={rename.error?.message} />
      <Button type="submit" variant="default" disabled={kept === of.name || kept === ''} loading={rename.isPending} aria-label={`Rename ${of.name}`}>
        Rename
      </Button>
      <Button variant="subtle" c="var(--bad)" loading={remove.isPending} aria-label={`Delete ${of.name}`} onClick={() => remove.mutate(undefined)}>
        Delete
      </Button>
    </form>
  );
}
