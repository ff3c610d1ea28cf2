import {
  IconActivity,
  IconBell,
  IconBrandOpenai,
  IconBuilding,
  IconChartBar,
  IconClipboardList,
  IconCpu,
  IconHome,
  IconKey,
  IconLayoutDashboard,
  IconLock,
  IconLogin2,
  IconMessage,
  IconRoute,
  IconScale,
  IconSettings,
  IconShieldCheck,
  IconUsers,
  IconUsersGroup,
  IconWallet,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';
import { type Me, manages, may, reachOf, seesAll } from '@/api/me';

interface Module {
  default: ComponentType;
}

export interface Place {
  path: string;
  label: string;
  group: 'Observe' | 'Access' | 'Models' | 'Govern';
  icon: typeof IconKey;
  /** Whether one sees the page. The server decides what one may do there. */
  for: (me: Me) => boolean;
  load: () => Promise<Module>;
  /** Whether a thing on the page has an address of its own: `/keys/3fa2`. */
  opens?: boolean;
  /** Further addresses of the same page. */
  also?: readonly string[];
}

const everybody = (): boolean => true;

/** The pages, in the order of the rail. */
export const PLACES: readonly Place[] = [
  { path: '/overview', label: 'Overview', group: 'Observe', icon: IconLayoutDashboard, for: (me) => may(me, 'spend_read'), load: () => import('@/pages/overview/Overview') },
  { path: '/activity', label: 'Activity', group: 'Observe', icon: IconActivity, for: (me) => may(me, 'spend_read'), load: () => import('@/pages/activity/Activity'), opens: true },
  { path: '/usage', label: 'Usage', group: 'Observe', icon: IconChartBar, for: (me) => may(me, 'spend_read'), load: () => import('@/pages/usage/Usage') },
  { path: '/me', label: 'My page', group: 'Access', icon: IconHome, for: everybody, load: () => import('@/pages/me/MyPage') },
  { path: '/keys', label: 'Keys', group: 'Access', icon: IconKey, for: (me) => may(me, 'keys_read'), load: () => import('@/pages/keys/Keys'), opens: true },
  { path: '/users', label: 'Users', group: 'Access', icon: IconUsers, for: (me) => manages(me, 'users_read'), load: () => import('@/pages/users/Users'), opens: true },
  { path: '/teams', label: 'Teams', group: 'Access', icon: IconUsersGroup, for: (me) => may(me, 'teams_read'), load: () => import('@/pages/teams/Teams'), opens: true },
  { path: '/budgets', label: 'Budgets', group: 'Access', icon: IconWallet, for: (me) => may(me, 'budgets_read'), load: () => import('@/pages/budgets/Budgets') },
  { path: '/organizations', label: 'Organizations', group: 'Access', icon: IconBuilding, for: (me) => manages(me, 'organizations_read'), load: () => import('@/pages/tenants/Tenants'), also: ['/projects', '/tags', '/customers'] },
  { path: '/models', label: 'Models', group: 'Models', icon: IconBrandOpenai, for: (me) => may(me, 'models_read'), load: () => import('@/pages/models/Models'), opens: true },
  { path: '/local', label: 'Local models', group: 'Models', icon: IconCpu, for: (me) => may(me, 'deployments_read'), load: () => import('@/pages/local/LocalModels') },
  { path: '/routing', label: 'Routing', group: 'Models', icon: IconRoute, for: (me) => may(me, 'deployments_read'), load: () => import('@/pages/routing/Routing') },
  { path: '/playground', label: 'Playground', group: 'Models', icon: IconMessage, for: (me) => may(me, 'model'), load: () => import('@/pages/playground/Playground') },
  { path: '/audit', label: 'Audit', group: 'Govern', icon: IconClipboardList, for: (me) => may(me, 'audit_read'), load: () => import('@/pages/audit/Audit'), opens: true },
  { path: '/reconcile', label: 'Reconcile', group: 'Govern', icon: IconScale, for: (me) => seesAll(me), load: () => import('@/pages/reconcile/Reconcile') },
  { path: '/sign-in', label: 'Sign-in', group: 'Govern', icon: IconLogin2, for: (me) => may(me, 'sign_in_read'), load: () => import('@/pages/signin/SignIn') },
  { path: '/credentials', label: 'Credentials', group: 'Govern', icon: IconLock, for: (me) => may(me, 'credentials_read'), load: () => import('@/pages/credentials/Credentials') },
  { path: '/guardrails', label: 'Guardrails', group: 'Govern', icon: IconShieldCheck, for: (me) => seesAll(me), load: () => import('@/pages/guardrails/Guardrails') },
  { path: '/alerts', label: 'Alerts', group: 'Govern', icon: IconBell, for: (me) => may(me, 'alerts_read'), load: () => import('@/pages/alerts/Alerts') },
  { path: '/settings', label: 'Settings', group: 'Govern', icon: IconSettings, for: (me) => may(me, 'sign_in_read') && reachOf(me, 'settings_read').includes('all'), load: () => import('@/pages/settings/Settings') },
];

export const GROUPS = ['Observe', 'Access', 'Models', 'Govern'] as const;


/** The page at an address. */
export function placeAt(path: string): Place | undefined {
  return PLACES.find((place) => [place.path, ...(place.also ?? [])].some((each) => path === each || path.startsWith(`${each}/`)));
}

/** Where one comes first: who sees all to the overview, others to their own page. */
export function home(me: Me): string {
  return seesAll(me) ? '/overview' : '/me';
}
