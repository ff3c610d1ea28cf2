import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Hearing, type LiveCalls, LiveFeed } from './live';

class FakeSource extends EventTarget {
  readyState = 1;
  closed = false;
  close(): void {
    this.closed = true;
  }
  say(name: string, data: unknown = {}): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

const ONE: LiveCalls = { calls: [{ request_id: 'a' } as never], unlisted: 0 };
let sources: FakeSource[] = [];
let asked = 0;

function feed(): LiveFeed {
  return new LiveFeed(
    () => {
      const source = new FakeSource();
      sources.push(source);
      return source as unknown as EventSource;
    },
    () => {
      asked += 1;
      return Promise.resolve(ONE);
    },
  );
}

function seen(value: 'visible' | 'hidden'): void {
  Object.defineProperty(document, 'visibilityState', { value, configurable: true });
}

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  asked = 0;
  seen('visible');
});
afterEach(() => vi.useRealTimers());

test('all parts of a page share one stream, which closes with the last of them', () => {
  const of = feed();
  const told: string[] = [];
  const first = of.listen({ rows: () => told.push('first') });
  const second = of.listen({ rows: () => told.push('second') });
  expect(sources).toHaveLength(1);
  sources[0]!.say('rows', { rows: 2 });
  expect(told).toEqual(['first', 'second']);
  first();
  expect(sources[0]!.closed).toBe(false);
  second();
  expect(sources[0]!.closed).toBe(true);
});

test('a page that is told to reload reads its rows anew, and calls are passed on', () => {
  const of = feed();
  let rows = 0;
  let calls: LiveCalls | undefined;
  of.listen({ rows: () => (rows += 1), calls: (now) => (calls = now) });
  sources[0]!.say('reload');
  sources[0]!.say('calls', ONE);
  expect([rows, calls]).toEqual([1, ONE]);
});

test('where the stream is refused the page asks, and tries the stream again later', async () => {
  const of = feed();
  const heard: Hearing[] = [];
  let rows = 0;
  const stop = of.listen({ rows: () => (rows += 1), hearing: (now) => heard.push(now) });
  sources[0]!.readyState = 2;
  sources[0]!.say('error');
  await vi.advanceTimersByTimeAsync(11_000);
  expect([asked, rows]).toEqual([3, 3]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sources).toHaveLength(2);
  sources[1]!.say('open');
  expect(heard.at(-1)).toBe('stream');
  const before = asked;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(before);
  stop();
});

test('a stream that the browser opens again by itself is left to it', () => {
  const of = feed();
  of.listen({});
  sources[0]!.readyState = 0;
  sources[0]!.say('error');
  expect([sources.length, sources[0]!.closed, asked]).toEqual([1, false, 0]);
});

test('a page out of sight has no stream', () => {
  const of = feed();
  of.listen({});
  seen('hidden');
  of.look();
  expect(sources[0]!.closed).toBe(true);
  seen('visible');
  of.look();
  expect(sources).toHaveLength(2);
});
