import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { compact, plural } from '@/shared/format';
import { Card, Chip } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty, Loaded } from '@/shared/states';
import { HostCard } from './HostCard';
import { type Deployment, TONES, idOf, info, params, standing } from '../models/model';

const EVERY_MS = 10_000;

/** Deployments whose calls stay on machines of one's own, by the host that serves them. */
function byHost(data: readonly Deployment[]): Map<string, Deployment[]> {
  const hosts = new Map<string, Deployment[]>();
  for (const each of data) {
    const ollama = String(params(each).model ?? '').startsWith('ollama');
    if (info(each).local !== true && !ollama) continue;
    const host = String(params(each).api_base ?? 'this machine');
    hosts.set(host, [...(hosts.get(host) ?? []), each]);
  }
  return hosts;
}

/** The hosts of local models, and what each serves. A model behind a local name that is served elsewhere is flagged. */
export default function LocalModels(): ReactNode {
  const models = useGet('/model/info', {}, { everyMs: EVERY_MS });
  const hosts = useGet('/local/hosts', {}, { everyMs: EVERY_MS });
  return (
    <Page title="Local models">
      <Loaded of={hosts} rows={4}>{(found) => found.hosts.map((each) => <HostCard key={each.name} of={each} />)}</Loaded>
      <Loaded of={models} rows={6}>
        {({ data }) => {
          const hosts = byHost(data);
          if (hosts.size === 0) return <Card><Empty title="No local models">Add a model of the provider ollama with the host's address: prompts for it never leave your machines.</Empty></Card>;
          return [...hosts.entries()].map(([host, served]) => (
            <Card key={host} title={<>Deployments at <span className="mono">{host}</span></>} aside={plural(served.length, 'deployment')}>
              <table className="plain">
                <thead><tr><th>Public name</th><th>Model of the host</th><th>Where it runs</th><th>State</th><th className="num">Context</th></tr></thead>
                <tbody>
                  {served.map((each) => {
                    const { state, detail } = standing(each);
                    const name = String(params(each).model ?? '');
                    const remote = info(each).local !== true || name.endsWith('-cloud');
                    return (
                      <tr key={idOf(each)}>
                        <td><Link to={`/models/${idOf(each)}`}>{each.model_name}</Link></td>
                        <td className="mono">{name.split('/').slice(1).join('/')}</td>
                        <td>{remote ? <Chip tone="warn">not known to be local</Chip> : <Chip tone="ok">local</Chip>}</td>
                        <td><Chip tone={TONES[state] ?? 'idle'} title={detail}>{state}</Chip></td>
                        <td className="num">{info(each).max_input_tokens ? compact(Number(info(each).max_input_tokens)) : ''}</td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </Card>
          ));
        }}
      </Loaded>
    </Page>
  );
}
