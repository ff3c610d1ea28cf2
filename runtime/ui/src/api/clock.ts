let aheadMs = 0;

/** Keep how far the gateway's clock is ahead of the browser's. `date` is the header Date of an answer, if it has one. */
export function hearClock(date: string | null, now = Date.now()): void {
  const told = Date.parse(date ?? '');
  if (!Number.isNaN(told)) aheadMs = told - now;
}

/** The gateway's time, in milliseconds since 1970, at a moment of the browser's clock. It is exact to a second, as the header is. */
export function gatewayTime(at = Date.now()): number {
  return at + aheadMs;
}
