import { Button, Menu, useMantineColorScheme } from '@mantine/core';
import { IconBook2, IconLayoutSidebarLeftCollapse, IconLayoutSidebarLeftExpand, IconLogout, IconMoon, IconSun, IconSunMoon, IconUserCircle } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { headersFor } from '@/api/client';
import { type Me, nameOfMe, roleWord } from '@/api/me';
import { BASE_URL, ROOT, TITLE } from '@/api/place';
import { GROUPS, PLACES } from './places';

/** The mark of the gateway. */
function Mark(): ReactNode {
  return (
    <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden>
      <rect width="18" height="18" rx="4" fill="var(--accent)" />
      <path d="M5 6h8M5 12h8M9 6v6" stroke="var(--on-accent)" strokeWidth="1.6" fill="none" />
    </svg>
  );
}

/** End the session, here and at the provider. */
async function signOut(): Promise<void> {
  const response = await fetch(`${BASE_URL}/logout`, { method: 'POST', headers: { ...headersFor('post'), accept: 'application/json' }, body: '{}' });
  const told = (await response.json().catch(() => ({}))) as { redirect_url?: string };
  window.location.assign(told.redirect_url ?? `${ROOT}/login?signed_out=1`);
}

interface RailProps {
  me: Me;
  folded?: boolean;
  onFold?: () => void;
  onGo?: () => void;
}

/** The rail of pages, by group. It holds those that the reader's role has. */
export function Rail({ me, folded = false, onFold, onGo }: RailProps): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const name = nameOfMe(me);
  return (
    <nav className="rail" aria-label="Pages">
      <Link to="/" className="brand" onClick={onGo} aria-label={`${TITLE}, first page`}>
        <Mark />
        <span className="word">{TITLE}</span>
      </Link>
      {GROUPS.map((group) => {
        const places = PLACES.filter((place) => place.group === group && place.for(me));
        if (places.length === 0) return null;
        return (
          <div key={group}>
            <h2>{group}</h2>
            <ul>
              {places.map((place) => (
                <li key={place.path}>
                  <Link to={place.path} className="place" activeProps={{ className: 'active', 'aria-current': 'page' }} onClick={onGo} title={folded ? place.label : undefined}>
                    <place.icon aria-hidden stroke={1.7} />
                    <span className="word">{place.label}</span>
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
      <div className="foot">
        {onFold && (
          <Button variant="subtle" color="gray" size="compact-sm" onClick={onFold} aria-label={folded ? 'Unfold the rail' : 'Fold the rail'}>
            {folded ? <IconLayoutSidebarLeftExpand size={17} /> : <IconLayoutSidebarLeftCollapse size={17} />}
          </Button>
        )}
        <Menu position="top-start" width={230} withArrow>
          <Menu.Target>
            <Button variant="subtle" color="gray" size="compact-md" justify={folded ? 'center' : 'flex-start'} aria-label={`Account of ${name}`} styles={{ label: { overflow: 'hidden', textOverflow: 'ellipsis', fontSize: 13, fontWeight: 500 } }}>
              <IconUserCircle size={18} style={{ flex: 'none', marginRight: folded ? 0 : 8 }} />
              <span className="word" style={{ overflow: 'hidden', textOverflow: 'ellipsis' }}>{name}</span>
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>{name}<br />{roleWord(me.role)}</Menu.Label>
            <Menu.Item leftSection={<IconBook2 size={15} />} component="a" href={`${ROOT}/docs`}>API reference</Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<IconSun size={15} />} onClick={() => setColorScheme('light')} disabled={colorScheme === 'light'}>Light</Menu.Item>
            <Menu.Item leftSection={<IconMoon size={15} />} onClick={() => setColorScheme('dark')} disabled={colorScheme === 'dark'}>Dark</Menu.Item>
            <Menu.Item leftSection={<IconSunMoon size={15} />} onClick={() => setColorScheme('auto')} disabled={colorScheme === 'auto'}>As the system</Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => void signOut()}>Sign out</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
    </nav>
  );
}
