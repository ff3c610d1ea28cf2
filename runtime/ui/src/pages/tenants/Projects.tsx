import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { useConfirm } from '@/shared/confirm';
import { Budget, ModelsCell, Standing, When } from '@/shared/parts';
import { Empty } from '@/shared/states';
import { DataTable } from '@/shared/table/DataTable';
import { Maker, budgetOf } from './Maker';

type Project = Schemas['ProjectInfo'];

/** The projects of the teams. A key can be of one. */
export function Projects(): ReactNode {
  const me = useMe();
  const confirm = useConfirm();
  const [makes, setMakes] = useState(false);
  const projects = useGet('/project/list');
  const make = useChange((body: Record<string, unknown>) => send('post', '/project/new', body), { refreshes: ['/project/list'], says: 'The project is made', quiet: true });
  const remove = useChange((each: Project) => send('delete', '/project/delete', { project_ids: [each.project_id] }), { refreshes: ['/project/list'], says: 'The project is deleted', quiet: true });
  const writes = may(me, 'projects_write');
  const columns: ColumnDef<Project, unknown>[] = [
    { id: 'name', header: 'Project', cell: ({ row }) => <strong style={{ fontWeight: 500 }} title={row.original.description ?? ''}>{row.original.project_alias ?? row.original.project_id}</strong> },
    { id: 'team', header: 'Team', cell: ({ row }) => <Link to={`/teams/${row.original.team_id}`}>{row.original.team_id}</Link> },
    { id: 'state', header: 'State', cell: ({ row }) => <Standing blocked={row.original.blocked} /> },
    { id: 'models', header: 'Models', cell: ({ row }) => <ModelsCell models={row.original.models ?? []} /> },
    { id: 'spend', header: 'Spent', cell: ({ row }) => <Budget spend={row.original.spend ?? 0} limit={row.original.litellm_budget_table?.max_budget} window={row.original.litellm_budget_table?.budget_duration} /> },
    { id: 'created', header: 'Created', cell: ({ row }) => <When at={row.original.created_at} /> },
    { id: 'do', header: '', meta: { numeric: true }, cell: ({ row }) => writes && <Button size="compact-xs" variant="subtle" c="var(--bad)" onClick={() => confirm({ title: 'Delete the project', effect: <><strong>{row.original.project_alias ?? row.original.project_id}</strong> goes for good.</>, action: 'Delete', run: () => remove.mutateAsync(row.original) })}>Delete</Button> },
  ];
  const button = writes && <Button onClick={() => setMakes(true)}>New project</Button>;
  return (
    <>
      <DataTable name="projects" label="Projects" of={projects} rows={projects.data} columns={columns} id={(each) => each.project_id} tools={button} free empty={<Empty title="No projects yet" action={button}>A project is a part of a team with models and a budget of its own.</Empty>} />
      {makes && <Maker title="New project" nameLabel="Name" asks={['description', 'team', 'models']} onClose={() => setMakes(false)} run={(made) => make.mutateAsync({ project_alias: made.name, description: made.description || undefined, team_id: made.team, models: made.models, ...budgetOf(made) })} />}
    </>
  );
}
