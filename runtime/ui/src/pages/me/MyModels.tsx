import type { ReactNode } from 'react';
import { useGet } from '@/api/client';
import { useMe } from '@/api/me';
import { Card, Chip } from '@/shared/parts';
import { Loaded } from '@/shared/states';
import { perMillion } from '../models/model';

/** The models that one may use, with what they cost and why one may. */
export function MyModels(): ReactNode {
  const me = useMe();
  const groups = useGet('/model_group/info');
  return (
    <Card title="Models that I may use" aside="$ a million tokens">
      <Loaded of={groups} rows={6}>
        {({ data }) => {
          const facts = new Map(data.map((each) => [String((each as Record<string, unknown>).model_group), each as Record<string, unknown>]));
          if (me.models.length === 0) return <p className="dim">None yet. An admin of a team or of the gateway gives you some.</p>;
          return (
            <table className="plain">
              <thead><tr><th>Model</th><th>Because</th><th className="num">In</th><th className="num">Out</th></tr></thead>
              <tbody>
                {me.models.map((each) => {
                  const known = facts.get(each.id);
                  return (
                    <tr key={each.id}>
                      <td>{each.id}</td>
                      <td className="dim" title={each.because}>{each.because}</td>
                      <td className="num">{known ? perMillion(known.input_cost_per_token) : ''}</td>
                      <td className="num">{known ? perMillion(known.output_cost_per_token) : <Chip tone="idle">pattern</Chip>}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          );
        }}
      </Loaded>
    </Card>
  );
}
