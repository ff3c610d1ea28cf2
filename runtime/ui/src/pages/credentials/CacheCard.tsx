import { Button, Group } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange, useGet } from '@/api/client';
import { ApiError } from '@/api/errors';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { compact, count, percent } from '@/shared/format';
import { Card, Chip, Facts } from '@/shared/parts';
import { periodOf } from '@/shared/period';
import { Loaded } from '@/shared/states';

/** The response cache: whether it works, how often it answers, and how to empty it. */
export function CacheCard(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const period = periodOf('30d');
  const hits = useGet('/global/activity/cache_hits', { start_date: period.start_date, end_date: period.end_date });
  const [asks, setAsks] = useState(false);
  const ping = useGet('/cache/ping', {}, { enabled: asks, keeps: false });
  const flush = useChange(() => send('post', '/cache/flushall', {}), { says: 'The cache is empty', quiet: true });
  const off = ping.error instanceof ApiError;
  return (
    <Card title="Response cache" aside={ping.data ? <Chip tone={ping.data.ping_response ? 'ok' : 'bad'}>{ping.data.status}</Chip> : off ? <Chip tone="idle">off</Chip> : <Button size="compact-xs" variant="subtle" loading={asks && ping.isFetching} onClick={() => setAsks(true)}>Try it</Button>}>
      {off ? (
        <p className="dim small" style={{ margin: 0 }}>{ping.error?.message} <code className="mono">litellm_settings.cache: true</code> lets the gateway answer the same question once.</p>
      ) : (
        <Loaded of={hits} rows={3}>
          {(rows) => {
            const all = rows.reduce((sum, row) => sum + row.total_rows, 0);
            const hit = rows.reduce((sum, row) => sum + (row.cache_hit_true_rows ?? 0), 0);
            const saved = rows.reduce((sum, row) => sum + (row.cached_completion_tokens ?? 0), 0);
            return (
              <div className="stack">
                <Facts of={[['Kind', ping.data?.cache_type], ['Answers in 30 days', `${count(hit)} of ${count(all)} requests, ${percent(all ? hit / all : 0)}`], ['Output tokens not asked for', compact(saved)], ['Rules', ping.data && <span className="mono">{ping.data.litellm_cache_params}</span>]]} />
                {may(me, 'settings_write') && (
                  <Group>
                    <Button variant="default" c="var(--bad)" onClick={() => confirm({ title: 'Empty the cache', effect: 'Every kept answer is deleted. The next request of each question goes to its provider, and costs.', action: 'Empty it', run: () => flush.mutateAsync(undefined) })}>Empty the cache</Button>
                  </Group>
                )}
              </div>
            );
          }}
        </Loaded>
      )}
    </Card>
  );
}
