import { Button, Menu, Select } from '@mantine/core';
import { IconDownload, IconSearch, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { addressOf, useGet } from '@/api/client';
import { manages, useMe } from '@/api/me';
import { FilterText } from '@/shared/FilterText';
import { cut } from '@/shared/format';
import { SavedFilters } from '@/shared/saved/SavedFilters';
import { useFilters } from '@/shared/url';

const OUTCOMES = ['ok', 'refused', 'failed', 'cancelled', 'uncertain'];
/** Filters that other pages lead here with, and how they are called. */
const OTHERS: Record<string, string> = { key: 'key', customer: 'customer', organization: 'organization', tag: 'tag', error: 'error', day: 'day', min: 'cost from $' };

/** What narrows the log, and the file of all that fits. */
export function FilterRow({ query }: { query: Record<string, string | undefined> }): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const teams = useGet('/v2/team/list', { page_size: 100, sort_by: 'team_alias', sort_order: 'asc' });
  const users = useGet('/user/filter/ui', { page_size: 100 }, { enabled: manages(me, 'users_read') });
  const models = useGet('/v1/models');
  const choose = (name: string) => (value: string | null) => change({ [name]: value ?? undefined });
  const names = [...new Set([...(models.data?.data ?? []).map((card) => card.id), ...(filters.model ? [filters.model] : [])])];
  return (
    <>
      <Select size="xs" w={128} aria-label="Status" placeholder="Any status" clearable data={OUTCOMES} value={filters.outcome ?? null} onChange={choose('outcome')} />
      {(teams.data?.teams.length ?? 0) > 0 && (
        <Select size="xs" w={138} aria-label="Team" placeholder="Any team" clearable searchable data={(teams.data?.teams ?? []).map((team) => ({ value: team.team_id, label: team.team_alias ?? team.team_id }))} value={filters.team ?? null} onChange={choose('team')} />
      )}
      {manages(me, 'users_read') && (
        <Select size="xs" w={158} aria-label="User" placeholder="Any user" clearable searchable data={(users.data ?? []).map((user) => ({ value: user.user_id, label: user.user_email ?? user.user_id }))} value={filters.user ?? null} onChange={choose('user')} />
      )}
      <Select size="xs" w={158} aria-label="Model" placeholder="Any model" clearable searchable data={names} value={filters.model ?? null} onChange={choose('model')} />
      <FilterText label="Search by id" placeholder="Request, answer or session id" width={232} icon={<IconSearch size={14} />} value={filters.q} onChange={(q) => change({ q })} />
      {Object.entries(OTHERS).map(([name, word]) =>
        filters[name] ? (
          <Button key={name} variant="light" rightSection={<IconX size={12} />} onClick={() => change({ [name]: undefined })}>
            {word} {cut(filters[name] ?? '', 9)}
          </Button>
        ) : null,
      )}
      <SavedFilters page="activity" />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={14} />}>
            Export
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>All rows that fit the filters</Menu.Label>
          <Menu.Item component="a" href={addressOf('/spend/logs/export', { ...query, format: 'csv' })} download>
            CSV
          </Menu.Item>
          <Menu.Item component="a" href={addressOf('/spend/logs/export', { ...query, format: 'jsonl' })} download>
            JSON lines
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
