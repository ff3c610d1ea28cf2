import type { ReactNode } from 'react';
import type { Schemas } from '@/api/client';
import { Empty } from '@/shared/states';

/** Whether a stored body has something in it. */
function holds(body: unknown): boolean {
  if (body === null || body === undefined) return false;
  return typeof body === 'object' ? Object.keys(body).length > 0 : String(body).length > 0;
}

function shown(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body, null, 2);
}

/** The prompt and the answer, where they were stored and the reader may see them. */
export function MessagesTab({ row }: { row: Schemas['LogDetail'] }): ReactNode {
  const request = holds(row.messages) ? row.messages : row.proxy_server_request;
  if (!holds(request) && !holds(row.response)) {
    return (
      <Empty title="No messages are stored">
        Prompts and answers are kept only where a team asks for it, with <code className="mono">store_prompts_in_spend_logs</code>, and are shown to those who made the call.
      </Empty>
    );
  }
  return (
    <div className="stack">
      <h3 style={{ fontSize: 13 }}>Request{row.request_truncated ? ', cut' : ''}</h3>
      <pre className="code" tabIndex={0}>{shown(request)}</pre>
      <h3 style={{ fontSize: 13 }}>Answer{row.response_truncated ? ', cut' : ''}</h3>
      <pre className="code" tabIndex={0}>{shown(row.response)}</pre>
    </div>
  );
}
