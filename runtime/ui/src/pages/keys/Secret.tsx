import { Button, CopyButton, Group } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Snippets } from '@/shared/Snippets';

interface SecretProps {
  secret: string;
  model: string;
  onDone: () => void;
}

/** A key, shown this one time, and how to call a model with it. */
export function Secret({ secret, model, onDone }: SecretProps): ReactNode {
  return (
    <div className="stack">
      <div className="note warn">Copy the key now. It is shown this one time: only its hash is stored.</div>
      <Group wrap="nowrap" gap="xs">
        <code className="mono" data-testid="secret" style={{ flex: 1, padding: '9px 12px', border: '1px solid var(--line)', borderRadius: 6, overflowWrap: 'anywhere', fontSize: 13 }}>
          {secret}
        </code>
        <CopyButton value={secret}>
          {({ copied, copy }) => (
            <Button data-autofocus onClick={copy} leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}>
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Snippets apiKey={secret} model={model} />
      <Group justify="flex-end">
        <Button variant="default" onClick={onDone}>
          Done
        </Button>
      </Group>
    </div>
  );
}
