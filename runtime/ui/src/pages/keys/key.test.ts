import { expect, test } from 'vitest';
import { type KeyFacts, NEW_KEY, bodyOf, limitsOf, nameOf } from './key';

test('what is left empty is left out, so that the defaults of the gateway count', () => {
  expect(bodyOf({ ...NEW_KEY, alias: ' notebook ' })).toEqual({ key_alias: 'notebook' });
});

test('a budget brings its window, and in all means none', () => {
  expect(bodyOf({ ...NEW_KEY, alias: 'a', budget: 5 })).toMatchObject({ max_budget: 5, budget_duration: '30d' });
  expect(bodyOf({ ...NEW_KEY, alias: 'a', budget: 5, window: '' })).not.toHaveProperty('budget_duration');
});

test('a key of a service has a team and no person', () => {
  expect(bodyOf({ ...NEW_KEY, alias: 'ci', owner: 'service', userId: '', teamId: 'red' })).toEqual({ key_alias: 'ci', team_id: 'red' });
});

test('a key of a person names the person, and limits that are zero are limits', () => {
  expect(bodyOf({ ...NEW_KEY, alias: 'x', owner: 'user', userId: 'bo', rpm: 0, localOnly: true })).toEqual({ key_alias: 'x', user_id: 'bo', rpm_limit: 0, local_only: true });
});

test('a key is called by its alias, and its limits in few words', () => {
  const key = { token: 'abcdef0123456789', key_name: 'sk-...1234', rpm_limit: 60, tpm_limit: 100_000 } as KeyFacts;
  expect(nameOf(key)).toBe('sk-...1234');
  expect(limitsOf(key)).toBe('60 rpm, 100K tpm');
});
