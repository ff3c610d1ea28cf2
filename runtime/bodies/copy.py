"""One call's request and answer, copied as they pass: no work but to count and keep."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime

import msgspec

from functions.contract.call import Call
from functions.contract.function import EventStream
from schema.errors import GatewayError

MAX_RAW_BYTES = 8 * 1024 * 1024
"""A longer request or answer is not looked at."""


class BodyQueue:
    """The bodies that are copied and not written yet, of calls under way too. It holds so many bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.waiting: deque[BodyCopy] = deque()
        self.some = asyncio.Event()
        """Set when a body is put into `waiting`."""
        self.held_bytes = 0
        self.lost = 0
        """Calls whose bodies were to be kept and are not."""

    def hold(self, body: "BodyCopy", size: int) -> bool:
        """Take room; false where there is none."""
        if self.held_bytes + size > self._max_bytes:
            return False
        self.held_bytes += size
        body.held_bytes += size
        return True

    def give_back(self, body: "BodyCopy", size: int) -> None:
        self.held_bytes -= size
        body.held_bytes -= size

    def lose(self, body: "BodyCopy") -> None:
        """The body will not be kept after all."""
        self.lost += 1
        self.give_back(body, body.held_bytes)
        body.pieces, body.fields = [], None

    def put(self, body: "BodyCopy") -> None:
        """The body is complete."""
        self.waiting.append(body)
        self.some.set()


class BodyCopy:
    """One call's, as raw as it came. `release` and `finish` are called once."""

    def __init__(self, call: Call, fields: Mapping[str, msgspec.Raw], queue: BodyQueue) -> None:
        self.request_id = call.request_id
        self.started_at: datetime = call.received_at
        self.fields: Mapping[str, msgspec.Raw] | None = fields
        self.pieces: list[bytes] = []
        self.streamed = False
        self.too_long = False
        """Whether the answer is longer than what is kept."""
        self.held_bytes = 0
        """How much of the queue's room this body takes."""
        self._answer_bytes = 0
        self._queue: BodyQueue | None = queue

    def add(self, piece: bytes) -> None:
        """Some of the answer."""
        if self._queue is None or self.too_long:
            return
        self._answer_bytes += len(piece)
        if self._answer_bytes > MAX_RAW_BYTES:
            self.too_long = True
            self._queue.give_back(self, sum(map(len, self.pieces)))
            self.pieces = []
        elif self._queue.hold(self, len(piece)):
            self.pieces.append(piece)
        else:
            self._queue.lose(self)
            self._queue = None

    def finish(self) -> None:
        """All of it is there."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.put(self)


class Copied:
    """A stream whose pieces are kept as they pass. Implements `functions.contract.function.EventStream`."""

    def __init__(self, stream: EventStream, body: BodyCopy) -> None:
        self._stream = stream
        self._body = body

    async def events(self) -> AsyncIterator[bytes]:
        async with aclosing(self._stream.events()) as events:  # type: ignore[type-var]
            async for piece in events:
                self._body.add(piece)
                yield piece

    def close(self, error: GatewayError | None = None) -> None:
        self._stream.close(error)
        self._body.finish()
