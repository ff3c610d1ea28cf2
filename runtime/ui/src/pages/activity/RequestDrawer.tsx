import { Drawer, Group, Tabs } from '@mantine/core';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { CopyId } from '@/shared/Id';
import { Outcome } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { CostTab } from './CostTab';
import { MessagesTab } from './MessagesTab';
import { RouteTab } from './RouteTab';
import { SummaryTab } from './SummaryTab';
import { TimelineTab } from './TimelineTab';

/** One request with an address of its own: what happened, why there, at which cost, when, and its messages. */
export function RequestDrawer({ id, onClose }: { id: string; onClose: () => void }): ReactNode {
  const [filters, change] = useFilters();
  const found = useGet('/spend/logs/ui/{request_id}', { request_id: id }, { keeps: false });
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={620}
      title={
        <Group gap={10}>
          <strong>{found.data?.model_group || found.data?.model || 'Request'}</strong>
          {found.data && <Outcome outcome={found.data.outcome} />}
          <CopyId id={id} />
        </Group>
      }
    >
      <Loaded of={found} rows={10}>
        {(row) => (
          <Tabs value={filters.tab ?? 'summary'} onChange={(tab) => change({ tab: tab === 'summary' ? undefined : (tab ?? undefined) })} keepMounted={false}>
            <Tabs.List mb="sm">
              <Tabs.Tab value="summary">Summary</Tabs.Tab>
              <Tabs.Tab value="route">Route</Tabs.Tab>
              <Tabs.Tab value="cost">Cost</Tabs.Tab>
              <Tabs.Tab value="timeline">Timeline</Tabs.Tab>
              <Tabs.Tab value="messages">Messages</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="summary"><SummaryTab row={row} /></Tabs.Panel>
            <Tabs.Panel value="route"><RouteTab row={row} /></Tabs.Panel>
            <Tabs.Panel value="cost"><CostTab row={row} /></Tabs.Panel>
            <Tabs.Panel value="timeline"><TimelineTab row={row} /></Tabs.Panel>
            <Tabs.Panel value="messages"><MessagesTab row={row} /></Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
    </Drawer>
  );
}
