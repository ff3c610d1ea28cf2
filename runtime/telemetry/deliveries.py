"""Sends alerts to the webhooks. Each webhook is called independently, and again while the call fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from runtime.outbound import Unreachable
from runtime.telemetry.webhooks import Webhook, body_of
from schema.alerts import AlertRecord

MAX_UNDER_WAY = 1_000
"""How many alerts are being told at once. Further ones are logged and go to no webhook."""
MAX_TRIES = 8
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0
POST_TIMEOUT_S = 10.0
LAST_MOMENT_S = 1.0
"""How long calls of webhooks may still take when the process ends."""

Post = Callable[[str, object, float], Awaitable[None]]
"""Posts JSON: takes the address, the value, and the seconds that the call may take. Raises Unreachable."""

log = logging.getLogger(__name__)


class Deliveries:
    """The alerts that are being told. `told` is called with the id of each alert that every webhook took."""

    def __init__(self, webhooks: Sequence[Webhook], post: Post, told: Callable[[str], None]) -> None:
        self._webhooks = tuple(webhooks)
        self._post = post
        self._told = told
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, alert: AlertRecord) -> None:
        """Begin to call every webhook, without waiting."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            log.error("too many alerts are being told: %s goes to no webhook", alert.id)
            return
        task = asyncio.create_task(self._deliver(alert), name="alert")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait until every alert is told or given up."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """Wait a second for the webhooks that are being called, then give up."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=LAST_MOMENT_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _deliver(self, alert: AlertRecord) -> None:
        """Call all webhooks at the same time, so that none waits for another one that hangs."""
        if all(await asyncio.gather(*(self._tell(webhook, alert) for webhook in self._webhooks))):
            self._told(alert.id)

    async def _tell(self, webhook: Webhook, alert: AlertRecord) -> bool:
        """Call one webhook, up to eight times, with growing pauses. False where it never took the alert."""
        pause_s = FIRST_PAUSE_S
        for number in range(MAX_TRIES):
            if number:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_PAUSE_S)
            try:
                await self._post(webhook.url.reveal(), body_of(webhook.style, alert), POST_TIMEOUT_S)
            except Exception as exc:  # a bad address can raise many kinds of errors in the HTTP client
                if number in (0, MAX_TRIES - 1):
                    why = str(exc) if isinstance(exc, Unreachable) else type(exc).__name__
                    log.warning("alert %s: the %s webhook: %s", alert.id, webhook.style.value, why)
            else:
                return True
        return False
