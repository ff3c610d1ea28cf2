"""The events of one open page. A page that is too slow loses events and is told to read everything anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from functions.contract.call import Call
from functions.contract.roles import Scope
from models_registry.turns.sse import event_frame
from schema.errors.base import GatewayError
from schema.errors.forms import envelope

MAX_WAITING = 32
"""How many events wait for a page that is slow to take them."""
RELOAD: Final = event_frame(b"reload", b"{}")
"""Events were lost: the page reads everything anew."""


def ended_frame(error: GatewayError) -> bytes:
    """The stream is over, and a new one would be refused."""
    return event_frame(b"ended", msgspec.json.encode(envelope(error)))


class LiveStream:
    """Implements `functions.contract.function.EventStream`."""

    def __init__(self, call: Call, left: Callable[["LiveStream"], None]) -> None:
        self.scope: Scope = call.scope
        self.still: Callable[[], Awaitable[Scope]] = call.still
        self.owner = call.caller.user_id or call.caller.key_hash
        self._left = left
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)

    async def events(self) -> AsyncIterator[bytes]:
        while (event := await self._waiting.get()) is not None:
            yield event

    def failed(self, error: GatewayError) -> bytes:
        return ended_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        self._left(self)

    def put(self, event: bytes) -> None:
        """Send an event. Where too many wait, all of them give way to the one that says so."""
        if self._waiting.full():
            self._clear()
            event = RELOAD
        self._waiting.put_nowait(event)

    def end(self, last: bytes | None = None) -> None:
        """End the stream, after an event that says why. None: the page may open a new one at once."""
        self._clear()
        if last is not None:
            self._waiting.put_nowait(last)
        self._waiting.put_nowait(None)

    def _clear(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()
