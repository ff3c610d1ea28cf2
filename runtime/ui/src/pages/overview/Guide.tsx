import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useCallback } from 'react';
import { read, useGet } from '@/api/client';
import { useNewRows } from '@/api/live';
import { may, useMe } from '@/api/me';
import { plural } from '@/shared/format';
import { Card, Chip } from '@/shared/parts';
import { isoDay } from '@/shared/period';
import { Snippets } from '@/shared/Snippets';

/** The way to the first request, step by step. The last step turns green when it arrives. */
export function Guide(): ReactNode {
  const me = useMe();
  const models = useGet('/v1/models');
  const keys = useGet('/key/list', { size: 1 });
  const names = (models.data?.data ?? []).map((card) => card.id).filter((name) => !name.includes('*'));
  const first = useQuery({
    queryKey: ['/spend/logs/v2', 'first'],
    queryFn: async ({ signal }) => {
      const today = isoDay(new Date());
      return (await read('/spend/logs/v2', { start_date: today, end_date: today, page_size: 1 }, signal)).data[0] ?? null;
    },
  });
  const look = first.refetch;
  useNewRows(useCallback(() => void look(), [look]));
  const hasKey = (keys.data?.total_count ?? 0) > 0;
  const step = (done: boolean, text: string): ReactNode => <Chip tone={done ? 'ok' : 'idle'}>{text}</Chip>;
  return (
    <div className="stack" style={{ maxWidth: 760 }}>
      <p style={{ margin: 0 }}>Nothing has been asked of this gateway yet. Three steps to the first request:</p>
      <Card title="1. A model to call" aside={step(names.length > 0, names.length > 0 ? plural(names.length, 'model') : 'none yet')}>
        {names.length > 0 ? (
          <p style={{ margin: 0 }}>Found: <span className="mono">{names.slice(0, 8).join(', ')}</span></p>
        ) : may(me, 'models_write') ? (
          <Button renderRoot={(props) => <Link to="/models" search={{ new: '1' } as never} {...props} />}>Add a model</Button>
        ) : (
          <p style={{ margin: 0 }}>An admin adds models, here or in the config file.</p>
        )}
      </Card>
      <Card title="2. A key" aside={step(hasKey, hasKey ? 'made' : 'none yet')}>
        {may(me, 'keys_write') ? <Button renderRoot={(props) => <Link to="/keys" search={{ new: '1' } as never} {...props} />}>Make a key</Button> : <p style={{ margin: 0 }}>An admin makes one for you.</p>}
      </Card>
      <Card title="3. The first request" aside={first.data ? <Chip tone="ok">it arrived</Chip> : <span role="status">waiting for your first request…</span>}>
        <Snippets apiKey="sk-your-key" model={names[0] ?? 'gpt-4'} />
        {first.data && <p><Link to={`/activity/${first.data.request_id}`}>Look at it</Link></p>}
      </Card>
    </div>
  );
}
