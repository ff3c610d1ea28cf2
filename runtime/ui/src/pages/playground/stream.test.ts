import { expect, test } from 'vitest';
import { bodyOf, texts } from './stream';

const event = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const STREAM = `: hello\n\n${event('Hel')}${event('lo ')}data: {"choices":[],"usage":{"total_tokens":3}}\r\n\r\n${event('– ☕')}data: [DONE]\n\n`;

function heard(pieces: readonly string[]): string {
  let buffer = '';
  let said = '';
  for (const piece of pieces) {
    const { found, rest } = texts(buffer + piece);
    buffer = rest;
    said += found.join('');
  }
  return said;
}

test('a stream says the same whole, letter by letter, and cut anywhere', () => {
  expect(heard([STREAM])).toBe('Hello – ☕');
  expect(heard([...STREAM])).toBe('Hello – ☕');
  for (let cut = 1; cut < STREAM.length; cut += 1) expect(heard([STREAM.slice(0, cut), STREAM.slice(cut)])).toBe('Hello – ☕');
});

test('an error in the stream is told', () => {
  expect(() => texts('data: {"error":{"message":"The provider broke off."}}\n\n')).toThrow('The provider broke off.');
});

test('parameters that nobody set are not sent', () => {
  const asked = { model: 'm', system: ' ', turns: [{ role: 'user' as const, content: 'hi' }], temperature: '' as const, maxTokens: 5 };
  expect(bodyOf(asked)).toEqual({ model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true, stream_options: { include_usage: true }, max_tokens: 5 });
});
