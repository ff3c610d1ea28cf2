import { Tabs } from '@mantine/core';
import type { ReactNode } from 'react';
import { Copy } from './Id';
import { snippets } from './calling';

/** The same call in several programs, each ready to be copied. */
export function Snippets({ apiKey, model }: { apiKey: string; model: string }): ReactNode {
  const all = snippets(apiKey, model);
  return (
    <Tabs defaultValue="curl">
      <Tabs.List>
        {all.map((each) => (
          <Tabs.Tab key={each.name} value={each.name}>
            {each.name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {all.map((each) => (
        <Tabs.Panel key={each.name} value={each.name} pt="xs">
          <div style={{ position: 'relative' }}>
            <pre className="code" tabIndex={0}>{each.code}</pre>
            <div style={{ position: 'absolute', right: 8, top: 8 }}>
              <Copy text={each.code} label={`Copy the ${each.name} lines`} />
            </div>
          </div>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
