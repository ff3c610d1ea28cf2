import { Button, Menu, Modal, TextInput } from '@mantine/core';
import { IconBookmark, IconCheck } from '@tabler/icons-react';
import { type FormEvent, type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useFilters } from '@/shared/url';
import { ManageFilters } from './ManageFilters';
import { type SavedFilter, inForce, inPlaceOf, savable } from './saved';

/** The menu of one's own saved filters of a page: apply one, save those in force, rename and delete. */
export function SavedFilters({ page }: { page: string }): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const [dialog, setDialog] = useState<'save' | 'manage' | null>(null);
  const found = useGet('/saved_filters', { page }, { enabled: may(me, 'filters_read') });
  if (!may(me, 'filters_read')) return null;
  const saved = found.data?.filters ?? [];
  const now = savable(filters);
  const current = inForce(filters, saved);
  const empty = found.isPending ? 'Being read…' : found.isError ? 'They could not be read' : 'You have saved no filters of this page';
  const writes = may(me, 'filters_write');
  return (
    <>
      <Menu position="bottom-start" width={240}>
        <Menu.Target>
          <Button variant="default" leftSection={<IconBookmark size={14} fill={current ? 'currentColor' : 'none'} />} aria-label={current ? `Saved filters: ${current.name}` : 'Saved filters'} maw={190}>
            {current?.name ?? 'Saved'}
          </Button>
        </Menu.Target>
        <Menu.Dropdown mah={360} style={{ overflowY: 'auto' }}>
          <Menu.Label>{saved.length > 0 ? 'Your saved filters' : empty}</Menu.Label>
          {saved.map((each) => (
            <Menu.Item key={each.filter_id} rightSection={each === current ? <IconCheck size={14} aria-label="in force" /> : undefined} onClick={() => change(inPlaceOf(filters, each.filters), { push: true })} style={{ overflowWrap: 'anywhere' }}>
              {each.name}
            </Menu.Item>
          ))}
          {writes && <Menu.Divider />}
          {writes && (
            <Menu.Item disabled={Object.keys(now).length === 0 || current !== undefined} onClick={() => setDialog('save')}>
              Save these filters…
            </Menu.Item>
          )}
          {writes && saved.length > 0 && <Menu.Item onClick={() => setDialog('manage')}>Rename or delete…</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      {dialog === 'save' && <SaveDialog page={page} filters={now} onClose={() => setDialog(null)} />}
      {dialog === 'manage' && <ManageFilters of={saved} onClose={() => setDialog(null)} />}
    </>
  );
}

interface SaveProps {
  page: string;
  filters: Record<string, string>;
  onClose: () => void;
}

function SaveDialog({ page, filters, onClose }: SaveProps): ReactNode {
  const [name, setName] = useState('');
  const save = useChange(() => send('post', '/saved_filters', { page, name, filters }), {
    refreshes: ['/saved_filters'],
    says: (made: SavedFilter) => `Saved as ${made.name}`,
    then: onClose,
    quiet: true,
  });
  function submit(event: FormEvent): void {
    event.preventDefault();
    save.mutate(undefined);
  }
  return (
    <Modal opened onClose={onClose} title="Save these filters" centered>
      <form onSubmit={submit} className="stack">
        <div className="row small" style={{ gap: 6 }}>
          {Object.entries(filters).map(([filter, value]) => (
            <span key={filter} className="chip idle" style={{ whiteSpace: 'normal', overflowWrap: 'anywhere' }}>
              {filter} {value}
            </span>
          ))}
        </div>
        <TextInput label="Name" placeholder="Failed today" maxLength={80} required data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} error={save.error?.message} />
        <div className="row">
          <Button className="push" variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}
