import { addressOf, headersFor } from '@/api/client';
import { errorOf } from '@/api/errors';

export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

export interface Asked {
  model: string;
  system: string;
  turns: readonly Turn[];
  temperature: number | '';
  maxTokens: number | '';
}

export interface Heard {
  callId: string;
  served: string;
}

/** The body of the call. */
export function bodyOf(asked: Asked): Record<string, unknown> {
  const messages = [...(asked.system.trim() ? [{ role: 'system', content: asked.system.trim() }] : []), ...asked.turns];
  return {
    model: asked.model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(asked.temperature === '' ? {} : { temperature: asked.temperature }),
    ...(asked.maxTokens === '' ? {} : { max_tokens: asked.maxTokens }),
  };
}

/** The texts in a piece of a stream of events, and what is left of an event that is not whole yet. */
export function texts(buffer: string): { found: string[]; rest: string } {
  const parts = buffer.split(/\r?\n\r?\n/);
  const rest = parts.pop() ?? '';
  const found: string[] = [];
  for (const part of parts) {
    const data = part
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trim())
      .join('');
    if (!data || data === '[DONE]') continue;
    const told = JSON.parse(data) as { error?: { message?: string }; choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[] };
    if (told.error) throw new Error(told.error.message ?? 'The stream broke off.');
    const text = told.choices?.[0]?.delta?.content;
    if (text) found.push(text);
  }
  return { found, rest };
}

/** Ask a model, and tell each piece of its answer. Ends when the answer is whole or the signal stops it. */
export async function ask(asked: Asked, signal: AbortSignal, say: (text: string) => void): Promise<Heard> {
  const response = await fetch(addressOf('/v1/chat/completions'), { method: 'POST', headers: headersFor('post'), body: JSON.stringify(bodyOf(asked)), signal });
  if (!response.ok || response.body === null) throw errorOf(response, await response.json().catch(() => undefined));
  const heard = { callId: response.headers.get('x-litellm-call-id') ?? '', served: response.headers.get('x-litellm-model-id') ?? '' };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return heard;
    const { found, rest } = texts(buffer + value);
    buffer = rest;
    for (const text of found) say(text);
  }
}
