import { Tabs } from '@mantine/core';
import { useNavigate, useRouterState } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { manages, may, useMe } from '@/api/me';
import { Page } from '@/shared/Page';
import { Customers } from './Customers';
import { Organizations } from './Organizations';
import { Projects } from './Projects';
import { Tags } from './Tags';

/** Organizations, projects, tags and customers: further ways to group spend and to limit it. */
export default function Tenants(): ReactNode {
  const me = useMe();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const tabs = [
    { name: 'organizations', label: 'Organizations', shown: manages(me, 'organizations_read'), body: <Organizations /> },
    { name: 'projects', label: 'Projects', shown: may(me, 'projects_read'), body: <Projects /> },
    { name: 'tags', label: 'Tags', shown: may(me, 'tags_read'), body: <Tags /> },
    { name: 'customers', label: 'Customers', shown: may(me, 'customers_read'), body: <Customers /> },
  ].filter((tab) => tab.shown);
  const here = tabs.find((tab) => path.endsWith(`/${tab.name}`)) ?? tabs[0];
  return (
    <Page title={here?.label ?? 'Organizations'}>
      <Tabs value={here?.name ?? null} onChange={(name) => void navigate({ to: `/${name}` })} keepMounted={false}>
        <Tabs.List mb="md">
          {tabs.map((tab) => <Tabs.Tab key={tab.name} value={tab.name}>{tab.label}</Tabs.Tab>)}
        </Tabs.List>
        {tabs.map((tab) => <Tabs.Panel key={tab.name} value={tab.name}>{tab.body}</Tabs.Panel>)}
      </Tabs>
    </Page>
  );
}
