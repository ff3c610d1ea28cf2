import '@fontsource-variable/inter/wght.css';
import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './app/theme.css';
import './shared/table/table.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/errors';
import { ACCENT } from './api/place';
import { router } from './app/router';
import { theme } from './app/theme';

/** A refusal may mean that the reader's role has changed: who one is, is asked anew. */
const kept: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      const refused = error instanceof ApiError && (error.status === 401 || error.status === 403);
      if (refused && query.queryKey[0] !== '/v1/me') void kept.invalidateQueries({ queryKey: ['/v1/me'] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (times, error) => times < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      retryDelay: (times) => 400 * 2 ** times,
    },
  },
});

// A page that was opened before an update asks for files that are gone: it is loaded anew, once.
window.addEventListener('vite:preloadError', () => {
  if (sessionStorage.getItem('reloaded') === null) {
    sessionStorage.setItem('reloaded', '1');
    window.location.reload();
  }
});

if (ACCENT) {
  document.documentElement.style.setProperty('--accent', ACCENT);
  document.documentElement.style.setProperty('--accent-bg', `color-mix(in srgb, ${ACCENT} 14%, var(--panel))`);
}

const place = document.getElementById('root');
if (place === null) throw new Error('The page has no #root.');
createRoot(place).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={kept}>
        <Notifications position="bottom-right" />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
