import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider, createMemoryHistory, createRootRoute, createRouter } from '@tanstack/react-router';
import { configure, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { vi } from 'vitest';
import { type Me, MeContext } from '@/api/me';
import { ConfirmProvider } from '@/shared/confirm';

/** How long a test waits for what a page should show. It ends at once where it is shown; a busy machine is slow. */
const WAIT_MS = 10_000;

/** What the browser of a test lacks. */
export function prepareBrowser(): void {
  window.matchMedia = vi.fn().mockReturnValue({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn(), addListener: vi.fn(), removeListener: vi.fn() });
  window.ResizeObserver = class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  };
  window.scrollTo = vi.fn() as never;
  Object.defineProperty(document, 'fonts', { configurable: true, value: { addEventListener: vi.fn(), removeEventListener: vi.fn() } }); // a text area that grows asks
  Element.prototype.scrollIntoView = vi.fn();
  configure({ asyncUtilTimeout: WAIT_MS });
}

export interface Asked {
  verb: string;
  address: string;
  body: unknown;
}

/**
 * Stands in for the gateway: `answer` says what each request gets, and every request is kept. An Error is a refusal, and a promise
 * is an answer that comes later. `date` is what the gateway's clock says.
 */
export function fakeGateway(answer: (asked: Asked) => unknown, date?: Date): Asked[] {
  const headers: Record<string, string> = date === undefined ? {} : { date: date.toUTCString() };
  const all: Asked[] = [];
  vi.stubGlobal('fetch', async (address: string, options: { method: string; body?: string }) => {
    const asked = { verb: options.method, address, body: options.body === undefined ? undefined : (JSON.parse(options.body) as unknown) };
    all.push(asked);
    const told = await answer(asked);
    if (told instanceof Error) return new Response(JSON.stringify({ error: { message: told.message } }), { status: 409, headers });
    return new Response(JSON.stringify(told ?? null), { status: 200, headers });
  });
  return all;
}

export function meWho(may: Record<string, string[]>): Me {
  return { user_id: 'ada', role: 'internal_user', roles: ['internal_user'], may, teams: {}, organizations: {}, models: [], budgets: [], limits: [] } as unknown as Me;
}

interface Shown {
  address?: string;
  may?: Record<string, string[]>;
}

/** Show parts of a page as the application does. Gives the search of the page's address. */
export async function show(parts: ReactNode, { address = '/', may = {} }: Shown = {}): Promise<() => Record<string, unknown>> {
  const root = createRootRoute({ component: () => parts });
  const router = createRouter({
    routeTree: root,
    history: createMemoryHistory({ initialEntries: [address] }),
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: (search) => `?${new URLSearchParams(search as Record<string, string>).toString()}`,
  });
  await router.load();
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <MeContext.Provider value={meWho(may)}>
          <ConfirmProvider>
            <RouterProvider router={router as never} />
          </ConfirmProvider>
        </MeContext.Provider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return () => router.state.location.search as Record<string, unknown>;
}
