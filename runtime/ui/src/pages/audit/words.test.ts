import { expect, test } from 'vitest';
import { type Change, differences, objectOf, sentence, tableWord } from './words';

const CHANGE = { changed_by: 'ada', action: 'blocked', table_name: 'LiteLLM_VerificationToken', object_id: 'f'.repeat(64), before_value: { key_alias: 'notebook', blocked: null, models: ['a'] }, updated_values: { key_alias: 'notebook', blocked: true, models: ['a'] } } as unknown as Change;

test('a change is a sentence about something with a name', () => {
  expect(`${sentence(CHANGE)} ${objectOf(CHANGE)}`).toBe('ada blocked key notebook');
  expect(tableWord('Switchgear_SsoSettings')).toBe('sso settings');
  const saved = { ...CHANGE, action: 'created', table_name: 'Switchgear_SavedFilter', before_value: null, updated_values: { page: 'audit', name: 'New things' } } as unknown as Change;
  expect(`${sentence(saved)} ${objectOf(saved)}`).toBe('ada created saved filter New things');
});

test('only the fields that differ are shown', () => {
  expect(differences(CHANGE)).toEqual([{ field: 'blocked', before: null, after: true }]);
  expect(differences({ ...CHANGE, updated_values: null } as Change).map((each) => each.field)).toEqual(['key_alias', 'blocked', 'models'].filter((name) => name !== 'blocked'));
});
