import { ActionIcon, Drawer } from '@mantine/core';
import { useHotkeys, useLocalStorage } from '@mantine/hooks';
import { IconMenu2 } from '@tabler/icons-react';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { keepToken, useGet } from '@/api/client';
import { ApiError } from '@/api/errors';
import { type Me, MeContext } from '@/api/me';
import { ROOT } from '@/api/place';
import { ConfirmProvider } from '@/shared/confirm';
import { Page, SlotContext } from '@/shared/Page';
import { Failure, Waiting } from '@/shared/states';
import { Palette } from './Palette';
import { placeAt } from './places';
import { Rail } from './Rail';
import './shell.css';

const ME_EVERY_MS = 60_000;

/** The frame of all pages: who looks, the rail, the bar, the palette. */
export function Shell(): ReactNode {
  const me = useGet('/v1/me', {}, { everyMs: ME_EVERY_MS });
  if (me.isError && (me.data === undefined || (me.error instanceof ApiError && me.error.status === 401))) {
    return (
      <main style={{ maxWidth: 520, margin: '12vh auto', padding: 16 }}>
        <Failure error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  }
  if (me.data === undefined) {
    return (
      <main style={{ maxWidth: 900, margin: '12vh auto', padding: 16 }}>
        <Waiting rows={6} />
      </main>
    );
  }
  keepToken(me.data.session?.csrf_token ?? '');
  return (
    <MeContext.Provider value={me.data}>
      <ConfirmProvider>
        <Frame me={me.data} />
      </ConfirmProvider>
    </MeContext.Provider>
  );
}

function Frame({ me }: { me: Me }): ReactNode {
  const [folded, setFolded] = useLocalStorage({ key: 'rail.folded', defaultValue: false, getInitialValueInEffect: false });
  const [drawn, setDrawn] = useState(false);
  const [asks, setAsks] = useState(false);
  const [title, setTitle] = useState<HTMLElement | null>(null);
  const [tools, setTools] = useState<HTMLElement | null>(null);
  const path = useRouterState({ select: (state) => state.location.pathname }).slice(`${ROOT}/ui`.length) || '/';
  const inner = useRouterState({ select: (state) => state.location.pathname });
  const place = placeAt(path.startsWith('/') ? path : inner) ?? placeAt(inner);
  const permitted = place === undefined || place.for(me);
  useHotkeys([['mod+K', () => setAsks(true)]], []);
  const slots = useMemo(() => ({ title, tools }), [title, tools]);
  const shortcut = navigator.userAgent.includes('Mac') ? '⌘ K' : 'Ctrl K';
  return (
    <div className={`shell${folded ? ' folded' : ''}`}>
      <a href="#content" className="skip">Skip to the content</a>
      <Rail me={me} folded={folded} onFold={() => setFolded(!folded)} />
      <Drawer opened={drawn} onClose={() => setDrawn(false)} size={250} className="drawer-rail" title="Pages">
        <Rail me={me} onGo={() => setDrawn(false)} />
      </Drawer>
      <div style={{ minWidth: 0 }}>
        <header className="bar">
          <ActionIcon className="burger" variant="subtle" color="gray" aria-label="Open the pages" onClick={() => setDrawn(true)}>
            <IconMenu2 size={18} />
          </ActionIcon>
          <h1 ref={setTitle} />
          <div ref={setTools} className="row tools" style={{ gap: 8 }} />
          <button type="button" className="kbd" onClick={() => setAsks(true)} aria-label={`${shortcut}: open the command palette`}>
            {shortcut}
          </button>
        </header>
        <main id="content" className="place-main">
          <SlotContext.Provider value={slots}>
            {permitted ? <Outlet /> : <Page title={place.label}><Failure error={new ApiError(403, 'This page is not for your role.')} /></Page>}
          </SlotContext.Provider>
        </main>
      </div>
      <Palette me={me} opened={asks} onClose={() => setAsks(false)} />
    </div>
  );
}
