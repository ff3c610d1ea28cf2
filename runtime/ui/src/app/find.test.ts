import { expect, test } from 'vitest';
import type { Me } from '@/api/me';
import { findPlaces, looksLikeId } from './find';
import { PLACES, home, placeAt } from './places';

const ALL = ['spend_read', 'keys_read', 'keys_write', 'users_read', 'teams_read', 'budgets_read', 'organizations_read', 'models_read', 'model', 'deployments_read', 'audit_read', 'sign_in_read', 'credentials_read', 'alerts_read', 'settings_read', 'self_read'];
const of = (may: Record<string, string[]>): Me => ({ may }) as unknown as Me;
const ADMIN = of(Object.fromEntries(ALL.map((access) => [access, ['all']])));
const DEVOPS = of({ ...Object.fromEntries(ALL.filter((access) => !['sign_in_read', 'credentials_read', 'model'].includes(access)).map((access) => [access, ['all']])), model: ['mine'] });
const MEMBER = of({ spend_read: ['mine'], keys_read: ['mine'], keys_write: ['mine'], users_read: ['mine'], teams_read: ['mine'], organizations_read: ['mine'], models_read: ['mine'], model: ['mine'], self_read: ['mine'] });
const labels = (me: Me): string[] => PLACES.filter((place) => place.for(me)).map((place) => place.label);

test('an admin has every page, devops no settings, a member the own pages alone', () => {
  expect(labels(ADMIN)).toHaveLength(PLACES.length);
  expect(labels(DEVOPS)).toContain('Activity');
  for (const hidden of ['Settings', 'Sign-in', 'Credentials']) expect(labels(DEVOPS)).not.toContain(hidden);
  expect(labels(MEMBER)).toEqual(['Overview', 'Activity', 'Usage', 'My page', 'Keys', 'Teams', 'Models', 'Playground']);
  expect([home(ADMIN), home(MEMBER)]).toEqual(['/overview', '/me']);
});

test('the palette finds pages by a part of their names, and knows an id', () => {
  expect(findPlaces('key', ADMIN)[0]?.label).toBe('Keys');
  expect(findPlaces('settings', MEMBER)).toEqual([]);
  expect([looksLikeId('0193b0c2-1111-7aaa-8bbb-0123456789ab'), looksLikeId('chatcmpl-abc'), looksLikeId('research')]).toEqual([true, true, false]);
});

test('an address below a page is of that page', () => {
  expect([placeAt('/keys/abc')?.label, placeAt('/projects')?.label, placeAt('/keysmith')]).toEqual(['Keys', 'Organizations', undefined]);
});
