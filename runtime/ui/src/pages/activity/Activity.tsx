import { Button } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, useCallback, useEffect, useMemo } from 'react';
import { type Schemas, read } from '@/api/client';
import { useNewRows } from '@/api/live';
import { count } from '@/shared/format';
import { Page } from '@/shared/Page';
import { RangePicker } from '@/shared/pickers';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { useFilters } from '@/shared/url';
import { COLUMNS } from './columns';
import { FilterRow } from './FilterRow';
import { InFlight } from './InFlight';
import { RequestDrawer } from './RequestDrawer';
import { type LogRow, logQuery, newer } from './rows';

const SIZE = 100;

type LogPage = Schemas['LogPage'];

/** Every request, the refused ones too, newest first. New ones wait behind a button, so that no row jumps. */
export default function Activity(): ReactNode {
  const [filters, change] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const query = logQuery(filters);
  const sorting = { by: filters.sort ?? 'startTime', order: filters.order === 'asc' ? ('asc' as const) : ('desc' as const) };
  const inTime = sorting.by === 'startTime';
  const log = useInfiniteQuery({
    queryKey: ['/spend/logs/v2', 'list', query, sorting],
    queryFn: async ({ pageParam, signal }) => (await read('/spend/logs/v2', { ...query, page_size: SIZE, sort_by: sorting.by, sort_order: sorting.order, ...(inTime ? { cursor: pageParam } : { page: pageParam || 1 }) }, signal)) as LogPage,
    initialPageParam: '' as string | number,
    getNextPageParam: (last) => (inTime ? last.next_cursor : last.page < last.total_pages ? last.page + 1 : null),
  });
  const rows = useMemo(() => log.data?.pages.flatMap((page) => page.data), [log.data]);
  const watches = inTime && sorting.order === 'desc' && rows !== undefined;
  const newest = useQuery({
    queryKey: ['/spend/logs/v2', 'newest', query],
    queryFn: async ({ signal }) => (await read('/spend/logs/v2', { ...query, page_size: 50 }, signal)) as LogPage,
    enabled: watches,
  });
  const look = newest.refetch;
  useNewRows(
    useCallback(() => void look(), [look]),
    { enabled: watches },
  );
  const waiting = watches && newest.data ? newer(newest.data.data, rows) : 0;
  const first = log.data?.pages[0];
  const starts = waiting > 0 && rows?.length === 0;
  useEffect(() => {
    if (starts) void log.refetch(); // nothing is in sight that could jump
  });
  const total = first && `${first.total_is === 'at_least' ? 'at least ' : ''}${count(first.total)} requests`;
  const narrowed = Object.keys(filters).some((name) => !['range', 'sort', 'order'].includes(name));
  return (
    <Page title="Activity" tools={<RangePicker usual="7d" />}>
      <InFlight />
      <DataTable<LogRow>
        name="activity"
        label="Requests"
        of={log}
        rows={rows}
        columns={COLUMNS}
        id={(row) => row.request_id}
        opened={id}
        onOpen={(row) => void navigate({ to: `/activity/${row.request_id}`, search: filters as never, resetScroll: false })}
        sorting={sorting}
        onSort={({ by, order }) => change({ sort: by, order })}
        tools={
          <>
            <FilterRow query={query} />
            {waiting > 0 && (
              <Button variant="light" leftSection={<IconRefresh size={14} />} onClick={() => void log.refetch()}>
                {waiting >= 50 ? '50 or more' : count(waiting)} new
              </Button>
            )}
          </>
        }
        empty={
          narrowed ? (
            <Empty title="No request fits">Take a filter away, or choose a longer range.</Empty>
          ) : (
            <Empty title="No requests in this range">Make a key and call a model: its row is here a moment later.</Empty>
          )
        }
        foot={
          first && (
            <>
              <span>{total}, local time</span>
              {log.hasNextPage && (
                <Button className="push" variant="default" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
                  Older requests
                </Button>
              )}
            </>
          )
        }
      />
      {id && <RequestDrawer id={id} onClose={() => void navigate({ to: '/activity', search: filters as never, resetScroll: false })} />}
    </Page>
  );
}
