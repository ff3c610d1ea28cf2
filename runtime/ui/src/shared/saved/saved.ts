import type { Schemas } from '@/api/client';
import type { Filters } from '@/shared/url';

export type SavedFilter = Schemas['SavedFilter'];

/** What is in an address and is no filter: where one is on a page, and what is open. */
const PASSING = ['page', 'new', 'tab'];

/** The filters of an address that are worth a name. */
export function savable(filters: Filters): Record<string, string> {
  const kept = Object.entries(filters).filter(([name, value]) => value && !PASSING.includes(name));
  return Object.fromEntries(kept.sort(([one], [other]) => one.localeCompare(other))) as Record<string, string>;
}

/** The changes that put the saved filters in place of those in force. */
export function inPlaceOf(filters: Filters, saved: Readonly<Record<string, string>>): Filters {
  const none = Object.fromEntries(Object.keys(filters).map((name) => [name, undefined]));
  return { ...none, ...saved };
}

/** The saved filters that are in force, if any are. */
export function inForce(filters: Filters, of: readonly SavedFilter[]): SavedFilter | undefined {
  const now = JSON.stringify(savable(filters));
  return of.find((each) => JSON.stringify(savable(each.filters)) === now);
}

/** A name as the gateway keeps it: without blanks around it, an accented letter always in the same code points. */
export function nameOf(typed: string): string {
  return typed.trim().normalize('NFC');
}
