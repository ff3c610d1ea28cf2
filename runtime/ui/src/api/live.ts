import { useEffect, useState } from 'react';
import { type Schemas, read } from './client';
import { BASE_URL } from './place';

export type LiveCall = Schemas['LiveCall'];
export type LiveCalls = Schemas['LiveCalls'];

const NONE: LiveCalls = { calls: [], unlisted: 0 };
const POLL_MS = 5_000;
const AGAIN_MS = 30_000;

/** How the page hears of what happens: by a stream, by asking, or not at all while nobody looks at it. */
export type Hearing = 'stream' | 'polls' | 'off';

interface Listener {
  /** Rows were booked that one may see. */
  rows?: () => void;
  calls?: (calls: LiveCalls) => void;
  hearing?: (hearing: Hearing) => void;
}

type MakeSource = (address: string) => EventSource;

/**
 * The one subscription of a page, shared by all its parts. It is open while a part listens and the page is in sight. Where the
 * stream is refused or breaks, the page asks every 5 s, and tries the stream again after half a minute.
 */
export class LiveFeed {
  private readonly listeners = new Set<Listener>();
  private source: EventSource | null = null;
  private polling: ReturnType<typeof setInterval> | null = null;
  private again: ReturnType<typeof setTimeout> | null = null;
  private last: LiveCalls = NONE;
  private hearing: Hearing = 'off';

  constructor(
    private readonly make: MakeSource = (address) => new EventSource(address),
    private readonly ask: () => Promise<LiveCalls> = () => read('/live/calls'),
  ) {}

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    listener.calls?.(this.last);
    listener.hearing?.(this.hearing);
    this.look();
    return () => {
      this.listeners.delete(listener);
      this.look();
    };
  }

  /** Open or close, as it is needed now. */
  look(): void {
    const needed = this.listeners.size > 0 && document.visibilityState !== 'hidden';
    if (needed && this.source === null && this.polling === null) this.open();
    else if (!needed) this.close();
  }

  private open(): void {
    const source = this.make(`${BASE_URL}/live/events`);
    this.source = source;
    source.addEventListener('open', () => {
      this.become('stream');
      this.tellRows(); // what came before the stream was there
    });
    source.addEventListener('calls', (event) => this.tellCalls(JSON.parse((event as MessageEvent<string>).data) as LiveCalls));
    source.addEventListener('rows', () => this.tellRows());
    source.addEventListener('reload', () => this.tellRows());
    source.addEventListener('ended', () => this.poll());
    source.addEventListener('error', () => {
      if (source.readyState === 2) this.poll(); // the browser does not try again by itself
    });
  }

  private poll(): void {
    this.source?.close();
    this.source = null;
    this.become('polls');
    const turn = (): void => {
      this.tellRows();
      this.ask().then((calls) => this.tellCalls(calls), () => undefined);
    };
    this.polling = setInterval(turn, POLL_MS);
    turn();
    this.again = setTimeout(() => {
      this.close();
      this.look();
    }, AGAIN_MS);
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    if (this.polling !== null) clearInterval(this.polling);
    if (this.again !== null) clearTimeout(this.again);
    this.polling = this.again = null;
    this.tellCalls(NONE);
    this.become('off');
  }

  private become(hearing: Hearing): void {
    this.hearing = hearing;
    for (const each of this.listeners) each.hearing?.(hearing);
  }

  private tellRows(): void {
    for (const each of this.listeners) each.rows?.();
  }

  private tellCalls(calls: LiveCalls): void {
    this.last = calls;
    for (const each of this.listeners) each.calls?.(calls);
  }
}

const feed = new LiveFeed();
document.addEventListener('visibilitychange', () => feed.look());

/** The calls in flight that one may see, and how the page hears of them. */
export function useCallsInFlight(): { calls: LiveCalls; hearing: Hearing } {
  const [calls, setCalls] = useState<LiveCalls>(NONE);
  const [hearing, setHearing] = useState<Hearing>('off');
  useEffect(() => feed.listen({ calls: setCalls, hearing: setHearing }), []);
  return { calls, hearing };
}

/** Does something when rows were booked: at once, and then at most once in `everyMs`. */
export function useNewRows(act: () => void, { enabled = true, everyMs = 2_000 } = {}): void {
  useEffect(() => {
    if (!enabled) return undefined;
    let waits: ReturnType<typeof setTimeout> | null = null;
    let due = false;
    const run = (): void => {
      if (waits !== null) {
        due = true;
        return;
      }
      act();
      waits = setTimeout(() => {
        waits = null;
        if (due) {
          due = false;
          run();
        }
      }, everyMs);
    };
    const stop = feed.listen({ rows: run });
    return () => {
      stop();
      if (waits !== null) clearTimeout(waits);
    };
  }, [act, enabled, everyMs]);
}
