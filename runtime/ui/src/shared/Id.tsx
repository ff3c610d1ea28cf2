import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { cut } from './format';

/** A button that copies a text. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }): ReactNode {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label} withArrow>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="xs"
            aria-label={copied ? 'Copied' : label}
            onClick={(event) => {
              event.stopPropagation();
              copy();
            }}
          >
            {copied ? <IconCheck size={13} /> : <IconCopy size={13} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** An id in a mono face, cut in the middle, with a button that copies the whole. */
export function CopyId({ id, whole = false }: { id: string; whole?: boolean }): ReactNode {
  return (
    <span style={{ display: 'inline-flex', gap: 6, alignItems: 'center' }}>
      <span className="mono" title={id} style={{ overflowWrap: 'anywhere' }}>
        {whole ? id : cut(id)}
      </span>
      <Copy text={id} label="Copy the id" />
    </span>
  );
}
