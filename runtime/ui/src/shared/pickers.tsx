import { SegmentedControl, Select } from '@mantine/core';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { seesAll, useMe } from '@/api/me';
import { RANGES, type RangeName } from './period';
import { useFilters } from './url';

/** The range in the address: `?range=30d`. */
export function RangePicker({ usual = '30d' }: { usual?: RangeName }): ReactNode {
  const [filters, change] = useFilters();
  return (
    <SegmentedControl
      size="xs"
      aria-label="Range"
      value={filters.range ?? usual}
      onChange={(range) => change({ range: range === usual ? undefined : range })}
      data={[...RANGES]}
    />
  );
}

/** The scope in the address: everybody, one team, or oneself. */
export function ScopePicker(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const teams = useGet('/v2/team/list', { page_size: 100, sort_by: 'team_alias', sort_order: 'asc' });
  const data = [
    { value: 'all', label: seesAll(me) ? 'All teams' : 'All I may see' },
    ...(me.user_id ? [{ value: 'me', label: 'Only me' }] : []),
    ...(teams.data?.teams ?? []).map((team) => ({ value: `team:${team.team_id}`, label: team.team_alias ?? team.team_id })),
  ];
  return (
    <Select
      size="xs"
      w={150}
      aria-label="Scope"
      searchable
      allowDeselect={false}
      data={data}
      value={filters.scope ?? 'all'}
      onChange={(scope) => change({ scope: scope === 'all' ? undefined : (scope ?? undefined) })}
    />
  );
}
