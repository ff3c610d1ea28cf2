import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { money, percent } from '@/shared/format';
import { Card, Meter, When } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty, Failure, Waiting } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { NamedBudgets } from './NamedBudgets';
import { TopUp } from './TopUp';
import { type Node, branches, flat } from './tree';

const MOST = 100;

/** Every budget as a tree: organization, team, then its users and keys, with what is spent and what is free. */
export default function Budgets(): ReactNode {
  const me = useMe();
  const [filters, change] = useFilters();
  const organizations = useGet('/organization/list');
  const budgets = useGet('/budget/list');
  const teams = useGet('/v2/team/list', { page_size: MOST });
  const users = useGet('/user/list', { page_size: MOST, sort_by: 'spend', sort_order: 'desc' });
  const keys = useGet('/key/list', { size: MOST, return_full_object: true, sort_by: 'spend', sort_order: 'desc' });
  const all = [organizations, budgets, teams, users, keys];
  const failed = all.find((each) => each.isError && each.data === undefined);
  const rows = useMemo(() => {
    const whole = keys.data?.keys.flatMap((key) => (typeof key === 'string' ? [] : [key])) ?? [];
    return flat(branches({ organizations: organizations.data ?? [], budgets: budgets.data ?? [], teams: teams.data?.teams ?? [], users: users.data?.users ?? [], keys: whole }));
  }, [organizations.data, budgets.data, teams.data, users.data, keys.data]);
  const shown = filters.all ? rows : rows.filter((row) => row.node.limit !== null || row.node.children.some((child) => child.limit !== null));
  const topped = shown.find((row) => row.node.id === filters.up)?.node;
  return (
    <Page title="Budgets">
      {failed ? (
        <Failure error={failed.error} retry={() => void failed.refetch()} />
      ) : all.some((each) => each.data === undefined) ? (
        <Waiting rows={10} />
      ) : (
        <Card title="Who may spend what" aside={<Button size="compact-xs" variant="subtle" onClick={() => change({ all: filters.all ? undefined : '1' })}>{filters.all ? 'Those with a budget' : 'Those without one too'}</Button>}>
          {shown.length === 0 ? (
            <Empty title="Nothing has a budget yet">Organizations, teams, users and keys can each have one. A call has to fit into all that are over it.</Empty>
          ) : (
            <div style={{ overflowX: 'auto' }}>
              <table className="plain">
                <thead><tr><th>Whose</th><th>Window</th><th style={{ width: '18%' }} /><th className="num">Spent</th><th className="num">Limit</th><th className="num">Free</th><th className="num">Resets</th>{may(me, 'budgets_write') && <th />}</tr></thead>
                <tbody>
                  {shown.map(({ node, depth }) => <Row key={`${node.kind} ${node.id}`} node={node} depth={depth} writes={may(me, 'budgets_write')} onTopUp={() => change({ up: node.id })} />)}
                </tbody>
              </table>
            </div>
          )}
        </Card>
      )}
      <NamedBudgets />
      {topped && <TopUp node={topped} onClose={() => change({ up: undefined })} />}
    </Page>
  );
}

interface RowProps {
  node: Node;
  depth: number;
  writes: boolean;
  onTopUp: () => void;
}

function Row({ node, depth, writes, onTopUp }: RowProps): ReactNode {
  const part = node.limit ? node.spent / node.limit : 0;
  const free = node.limit === null ? null : node.limit - node.spent;
  return (
    <tr>
      <td style={{ paddingLeft: depth * 20 }}><span className="dim">{node.kind}</span> {node.to ? <Link to={node.to}>{node.name}</Link> : node.name}</td>
      <td className="dim">{node.limit === null ? '' : node.window ? `each ${node.window}` : 'in all'}</td>
      <td title={percent(part, 0)}>{node.limit === null ? '' : <Meter of={part} />}</td>
      <td className="num">{money(node.spent)}</td>
      <td className="num">{node.limit === null ? <span className="dim">none</span> : money(node.limit)}</td>
      <td className="num" style={free !== null && free <= 0 ? { color: 'var(--bad)' } : undefined}>{free === null ? '' : money(free)}</td>
      <td className="num"><When at={node.resets} /></td>
      {writes && <td className="num">{node.kind !== 'organization' && node.limit !== null && <Button size="compact-xs" variant="subtle" onClick={onTopUp}>Top up</Button>}</td>}
    </tr>
  );
}
