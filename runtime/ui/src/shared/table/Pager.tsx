import { ActionIcon, Group } from '@mantine/core';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { count } from '../format';

interface PagerProps {
  page: number;
  pages: number;
  total: number;
  /** What is counted: `keys`. */
  of: string;
  go: (page: number) => void;
}

/** Goes from page to page of a table whose rows the server counts. */
export function Pager({ page, pages, total, of, go }: PagerProps): ReactNode {
  return (
    <>
      <span>
        {count(total)} {of}
      </span>
      <Group gap={6} className="push">
        <ActionIcon variant="default" size="sm" aria-label="Previous page" disabled={page <= 1} onClick={() => go(page - 1)}>
          <IconChevronLeft size={14} />
        </ActionIcon>
        <span>
          page {count(page)} of {count(Math.max(1, pages))}
        </span>
        <ActionIcon variant="default" size="sm" aria-label="Next page" disabled={page >= pages} onClick={() => go(page + 1)}>
          <IconChevronRight size={14} />
        </ActionIcon>
      </Group>
    </>
  );
}
