import { expect, test } from 'vitest';
import { type SavedFilter, inForce, inPlaceOf, nameOf, savable } from './saved';

const FAILED = { filter_id: 'f1', page: 'activity', name: 'Failed', filters: { outcome: 'failed', range: '2d' } } as unknown as SavedFilter;

test('the place on a page and what is open there are no filters', () => {
  expect(savable({ range: '7d', outcome: 'failed', page: '3', tab: 'cost', new: '1', q: '' })).toEqual({ outcome: 'failed', range: '7d' });
});

test('saved filters take the place of all that are in force', () => {
  expect(inPlaceOf({ team: 'red', range: '7d', page: '2' }, FAILED.filters)).toEqual({ team: undefined, page: undefined, range: '2d', outcome: 'failed' });
});

test('filters in force are found in whatever order the address has them', () => {
  expect(inForce({ range: '2d', page: '4', outcome: 'failed' }, [FAILED])?.name).toBe('Failed');
  expect(inForce({ outcome: 'failed' }, [FAILED])).toBeUndefined();
});

test('a name with blanks around it, or in other code points, is the same name', () => {
  expect(nameOf('  Cafe\u0301\t')).toBe('Caf\u00e9');
});
