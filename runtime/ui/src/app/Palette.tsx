import { Modal } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconKey, IconReceipt, IconUser, IconUsersGroup } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type ReactNode, useState } from 'react';
import { useGet } from '@/api/client';
import { type Me, manages, may } from '@/api/me';
import { type Found, findPlaces, looksLikeId } from './find';

interface PaletteProps {
  me: Me;
  opened: boolean;
  onClose: () => void;
}

const FEW = 5;

/** What fits a text: pages, keys, teams, users, and a request by its id. */
function useFound(text: string, me: Me, asks: boolean): Found[] {
  const [words] = useDebouncedValue(text.trim(), 150);
  const enabled = asks && words.length > 1;
  const keys = useGet('/key/list', { search: words, size: FEW, return_full_object: true }, { enabled: enabled && may(me, 'keys_read') });
  const teams = useGet('/v2/team/list', { search: words, page_size: FEW }, { enabled: enabled && may(me, 'teams_read') });
  const users = useGet('/user/list', { user_email: words, page_size: FEW }, { enabled: enabled && manages(me, 'users_read') });
  const found = findPlaces(text, me);
  if (!enabled) return found;
  for (const key of keys.data?.keys ?? []) {
    if (typeof key !== 'string') found.push({ id: `key ${key.token}`, label: key.key_alias ?? key.key_name ?? key.token, kind: 'key', to: `/keys/${key.token}`, icon: IconKey });
  }
  for (const team of teams.data?.teams ?? []) found.push({ id: `team ${team.team_id}`, label: team.team_alias ?? team.team_id, kind: 'team', to: `/teams/${team.team_id}`, icon: IconUsersGroup });
  for (const user of users.data?.users ?? []) found.push({ id: `user ${user.user_id}`, label: user.user_email ?? user.user_id, kind: 'user', to: `/users/${user.user_id}`, icon: IconUser });
  if (looksLikeId(words)) found.unshift({ id: 'request', label: words, kind: 'request', to: `/activity/${words}`, icon: IconReceipt });
  return found;
}

/** Ctrl-K: jumps to pages, keys, teams, users and requests. */
export function Palette({ me, opened, onClose }: PaletteProps): ReactNode {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const found = useFound(text, me, opened);
  const place = Math.min(at, Math.max(0, found.length - 1));

  function go(one: Found | undefined): void {
    if (one === undefined) return;
    onClose();
    setText('');
    void navigate({ to: one.to });
  }

  function onKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown') setAt(Math.min(place + 1, found.length - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(place - 1, 0));
    else if (event.key === 'Enter') go(found[place]);
    else return;
    event.preventDefault();
  }

  return (
    <Modal opened={opened} onClose={onClose} withCloseButton={false} padding={0} size="lg" yOffset="12vh" attributes={{ content: { 'aria-label': 'Command palette' } }} className="palette">
      <input
        autoFocus
        value={text}
        placeholder="Page, key, team, user or request id"
        role="combobox"
        aria-expanded
        aria-controls="palette-found"
        aria-activedescendant={found[place] ? `palette-${place}` : undefined}
        aria-label="Search for a page, key, team, user or request id"
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <ul id="palette-found" role="listbox" aria-label="Found">
        {found.map((one, n) => (
          <li key={one.id} id={`palette-${n}`} role="option" aria-selected={n === place} onMouseEnter={() => setAt(n)} onClick={() => go(one)}>
            <one.icon size={16} aria-hidden /> {one.label} <small>{one.kind}</small>
          </li>
        ))}
        {found.length === 0 && <li role="option" aria-selected={false} className="dim">Nothing fits</li>}
      </ul>
    </Modal>
  );
}
