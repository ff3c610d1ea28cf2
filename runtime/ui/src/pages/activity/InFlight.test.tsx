import { act, cleanup, render, screen } from '@testing-library/react';
import { MantineProvider } from '@mantine/core';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { fakeGateway, prepareBrowser } from '@/testing/show';
import { InFlight, who } from './InFlight';

class FakeSource extends EventTarget {
  static last: FakeSource;
  readyState = 1;
  closed = false;
  constructor(readonly address: string) {
    super();
    FakeSource.last = this;
  }
  close(): void {
    this.closed = true;
  }
  say(name: string, data: unknown = {}): void {
    act(() => void this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) })));
  }
}

const NOW = Date.parse('2026-11-30T12:00:00Z');

function call(number: number, more: object = {}): object {
  return { request_id: `call-${number}`, started_at: new Date(NOW - 5_000 * number).toISOString(), model: `model-${number}`, provider: 'openai', user_id: 'ada', key_alias: null, attempt: 1, ...more };
}

beforeAll(prepareBrowser);
beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.stubGlobal('EventSource', FakeSource);
  render(<MantineProvider><InFlight /></MantineProvider>);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function told(): string {
  return screen.getByRole('status', { name: 'Requests in flight' }).textContent ?? '';
}

test('calls come and go as the stream tells of them', () => {
  expect(told()).toBe('None in flight');
  FakeSource.last.say('calls', { calls: [call(1)], unlisted: 0 });
  expect(told()).toContain('1 request in flight');
  expect(told()).toContain('model-1 ada 5');
  FakeSource.last.say('calls', { calls: [], unlisted: 0 });
  expect(told()).toBe('None in flight');
});

test('the time since a call began goes on by itself', () => {
  FakeSource.last.say('calls', { calls: [call(1)], unlisted: 0 });
  expect(told()).toMatch(/ada 5\.00 s/);
  act(() => void vi.advanceTimersByTime(3_000));
  expect(told()).toMatch(/ada 8\.00 s/);
});

test('six are listed, and the others are counted, those that no worker lists too', () => {
  FakeSource.last.say('calls', { calls: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => call(number)), unlisted: 3 });
  expect(told()).toContain('11 requests in flight');
  expect(told()).toContain('model-6');
  expect(told()).not.toContain('model-7');
  expect(told()).toContain('and 5 more');
});

test('two attempts of one call are two', () => {
  const complaints = vi.spyOn(console, 'error');
  FakeSource.last.say('calls', { calls: [call(1), call(1, { attempt: 2, model: 'other' })], unlisted: 0 });
  expect(told()).toContain('2 requests in flight');
  expect(told()).toContain('other ada attempt 2, 5');
  expect(told()).not.toContain('attempt 1');
  expect(complaints).not.toHaveBeenCalled();
});

test('a page whose stream is refused says that it asks', async () => {
  fakeGateway(() => ({ calls: [call(2)], unlisted: 0 }));
  FakeSource.last.readyState = 2;
  FakeSource.last.say('error');
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(told()).toContain('asks every 5 s');
  expect(told()).toContain('model-2');
});

test('leaving the page ends its stream', () => {
  const source = FakeSource.last;
  cleanup();
  expect(source.closed).toBe(true);
});

test('a caller is the alias of the key, else the user', () => {
  expect(who({ key_alias: 'laptop', user_id: 'ada' })).toBe('laptop');
  expect(who({ key_alias: null, user_id: 'ada' })).toBe('ada');
});
