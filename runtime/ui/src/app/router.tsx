import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { ROOT } from '@/api/place';
import { Failure } from '@/shared/states';
import { Home } from './Home';
import { PLACES } from './places';
import { Shell } from './Shell';

function NotFound() {
  return <Failure error={new Error('There is no such page. The rail at the left has those that are.')} />;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const index = createRoute({ getParentRoute: () => root, path: '/', component: Home });

const pages = PLACES.flatMap((place) =>
  [place.path, ...(place.also ?? [])].map((path) => {
    const page = createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(place.load) });
    if (!place.opens) return page;
    const child = createRoute({ getParentRoute: () => page, path: '$id', component: () => null });
    return page.addChildren([child]);
  }),
);

/** Filters are plain texts in the address, so that people can read and write them. */
export const router = createRouter({
  routeTree: root.addChildren([index, ...pages]),
  basepath: `${ROOT}/ui`,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const entries = Object.entries(search as Record<string, unknown>).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : '';
  },
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error, reset }) => <Failure error={error} retry={reset} />,
  scrollRestoration: true,
});
