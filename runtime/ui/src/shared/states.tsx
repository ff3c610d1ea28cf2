import { Button, Skeleton } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError, explain } from '@/api/errors';
import { signIn } from '@/api/place';
import { CopyId } from './Id';

/** What failed, what it means and what to do, with the request id. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }): ReactNode {
  const told = explain(error);
  const detail = error instanceof Error ? error.message : String(error);
  const requestId = error instanceof ApiError ? error.requestId : '';
  return (
    <div className="card stack" role="alert" style={{ justifyItems: 'start' }}>
      <div className="row" style={{ color: 'var(--bad)', fontWeight: 600 }}>
        <IconAlertTriangle size={18} aria-hidden /> {told.title}
      </div>
      <div>{told.meaning}</div>
      <div className="dim small">{detail}</div>
      {requestId && (
        <div className="small dim">
          Request <CopyId id={requestId} whole />
        </div>
      )}
      <div className="row">
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
        {error instanceof ApiError && error.status === 401 && (
          <Button size="xs" onClick={signIn}>
            Sign in
          </Button>
        )}
      </div>
    </div>
  );
}

/** What a place shows where there is nothing yet: what it is for, and what to do next. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }): ReactNode {
  return (
    <div className="stack" style={{ justifyItems: 'center', textAlign: 'center', padding: '36px 16px', gap: 8 }}>
      <strong>{title}</strong>
      {children && <div className="dim" style={{ maxWidth: '48ch', textWrap: 'balance' }}>{children}</div>}
      {action}
    </div>
  );
}

/** Rows of grey where rows will be, of the same height. */
export function Waiting({ rows = 5, height = 20 }: { rows?: number; height?: number }): ReactNode {
  return (
    <div className="stack" style={{ gap: 12 }} role="status" aria-busy="true" aria-label="Loading">
      {Array.from({ length: rows }, (_, n) => (
        <Skeleton key={n} height={height} radius="sm" />
      ))}
    </div>
  );
}

interface LoadedProps<T> {
  of: UseQueryResult<T>;
  rows?: number;
  children: (answer: T) => ReactNode;
}

/** An answer once it is there; before, its skeleton; or its error with a retry. */
export function Loaded<T>({ of, rows, children }: LoadedProps<T>): ReactNode {
  if (of.data !== undefined && !(of.isError && of.isPlaceholderData)) return children(of.data);
  if (of.isError) return <Failure error={of.error} retry={() => void of.refetch()} />;
  return <Waiting rows={rows} />;
}
