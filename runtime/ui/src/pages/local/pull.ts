import { addressOf, headersFor } from '@/api/client';
import { errorOf } from '@/api/errors';

export interface Progress {
  status: string;
  digest?: string;
  total?: number;
  completed?: number;
  public_name?: string;
  note?: string;
}

/** The events in a piece of a stream, and what is left of one that is not whole yet. A broken pull throws. */
export function progressIn(buffer: string): { found: Progress[]; rest: string } {
  const parts = buffer.split('\n\n');
  const rest = parts.pop() ?? '';
  const found: Progress[] = [];
  for (const part of parts) {
    const data = part.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('');
    if (!data || data === '[DONE]') continue;
    const told = JSON.parse(data) as Progress & { error?: { message?: string } };
    if (told.error) throw new Error(told.error.message ?? 'The pull broke off.');
    found.push(told);
  }
  return { found, rest };
}

/** How much of the layers that are known is there, as a share. Null before a size is known. */
export function shareOf(layers: ReadonlyMap<string, Progress>): number | null {
  let total = 0;
  let completed = 0;
  for (const each of layers.values()) {
    total += each.total ?? 0;
    completed += each.completed ?? 0;
  }
  return total > 0 ? Math.min(1, completed / total) : null;
}

/** Pull a model, and tell each step. The signal breaks the pull off; the next one goes on from there. */
export async function pull(body: Record<string, unknown>, signal: AbortSignal, say: (progress: Progress) => void): Promise<void> {
  const response = await fetch(addressOf('/local/pull'), { method: 'POST', headers: headersFor('post'), body: JSON.stringify(body), signal });
  if (!response.ok || response.body === null) throw errorOf(response, await response.json().catch(() => undefined));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { found, rest } = progressIn(buffer + value);
    buffer = rest;
    found.forEach(say);
  }
}
