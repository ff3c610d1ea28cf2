import { cleanup, screen } from '@testing-library/react';
import { type ReactNode, useState } from 'react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Asked, fakeGateway, prepareBrowser, show } from '@/testing/show';
import { type Day, labelOf, useDays } from './activity';
import { periodOf } from './period';
import type { Filters } from './url';

beforeAll(prepareBrowser);
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

type By = 'team' | 'tag' | 'organization' | 'customer';

/** What is asked for, and a button for each of the filters that follow. */
function Days({ by, steps }: { by?: By; steps: readonly Filters[] }): ReactNode {
  const [step, setStep] = useState(0);
  const days = useDays({ period: periodOf('7d'), parts: ['entities'], filters: steps[step]!, by }, 'ada');
  return <button onClick={() => setStep(step + 1)}>{days.data?.[0]?.date ?? 'waiting'}</button>;
}

function answering(): Asked[] {
  return fakeGateway(({ address }) => ({ results: [{ date: new URL(address, 'http://x').search.replace(/start_date=[^&]*&end_date=[^&]*&?/, '').replace(/breakdown=entities&?/, '') || 'all' }], metadata: {} }));
}

test.each(['team', 'tag', 'organization', 'customer'] as const)('the days by %s are one request, whatever their number of rows', async (by) => {
  const asked = answering();
  await show(<Days by={by} steps={[{}]} />);
  await screen.findByText('?');
  expect(asked.map((each) => new URL(each.address, 'http://x').pathname.split('/').slice(-4).join('/'))).toEqual([`${by}/daily/activity/aggregated`]);
});

test.each([[[], 'none'], [['model_groups', 'entities'], 'model_groups,entities']] as const)('only the parts that are shown are asked for: %j', async (parts, breakdown) => {
  const asked = answering();
  function Parts(): ReactNode {
    return <p>{useDays({ period: periodOf('7d'), parts }, 'ada').data ? 'there' : 'waiting'}</p>;
  }
  await show(<Parts />);
  await screen.findByText('there');
  expect(asked.map((each) => new URL(each.address, 'http://x').searchParams.get('breakdown'))).toEqual([breakdown]);
});

test('another team, user or tag is another answer', async () => {
  answering();
  await show(<Days steps={[{}, { team: 'red' }, { user: 'bo' }]} />);
  await userEvent.click(await screen.findByText('?'));
  await userEvent.click(await screen.findByText('?team_ids=red'));
  await screen.findByText('?user_id=bo');
  cleanup();
  await show(<Days by="tag" steps={[{}, { tag: 'prod' }]} />);
  await userEvent.click(await screen.findByText('?'));
  await screen.findByText('?tags=prod');
});

test('keys, teams, users, organizations and customers are called by their names', () => {
  for (const name of ['key_alias', 'team_alias', 'user_alias', 'organization_alias', 'alias']) {
    const days = [{ breakdown: { entities: { id: { metadata: { [name]: 'A name' } } } } }] as unknown as Day[];
    expect(labelOf(days, 'entities', 'id')).toBe('A name');
  }
});
