import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type Filters = Record<string, string | undefined>;

/** The filters in the page's address, and how to change them. An empty value leaves the address. */
export function useFilters(): [Filters, (changes: Filters, options?: { push?: boolean }) => void] {
  const found = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const filters: Filters = {};
  for (const [name, value] of Object.entries(found)) if (value !== undefined && value !== null) filters[name] = String(value);
  const change = useCallback(
    (changes: Filters, options: { push?: boolean } = {}) => {
      void navigate({
        to: '.',
        search: ((old: Filters) => {
          const next: Filters = { ...old, ...changes };
          for (const name of Object.keys(next)) if (!next[name]) delete next[name];
          return next;
        }) as never,
        replace: !options.push,
      });
    },
    [navigate],
  );
  return [filters, change];
}
