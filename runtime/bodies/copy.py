"""Copies the request and the answer of a call as they pass. Copying only counts bytes and keeps them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime

import msgspec

from functions.contract.call import Call
from functions.contract.function import EventStream
from schema.errors.base import GatewayError

MAX_RAW_BYTES = 8 * 1024 * 1024
"""A longer request or answer is not stored."""


class BodyQueue:
    """The bodies that are copied and not yet written, also those of calls under way. They take `max_bytes`
    together at most."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.waiting: deque[BodyCopy] = deque()
        self.some = asyncio.Event()
        """Set when a body is put into `waiting`."""
        self.held_bytes = 0
        """How many bytes all bodies take."""
        self.lost = 0
        """How many bodies should have been stored and were not."""

    def hold(self, body: "BodyCopy", size: int) -> bool:
        """Take `size` bytes of room for a body. False where there is not enough room."""
        if self.held_bytes + size > self._max_bytes:
            return False
        self.held_bytes += size
        body.held_bytes += size
        return True

    def give_back(self, body: "BodyCopy", size: int) -> None:
        self.held_bytes -= size
        body.held_bytes -= size

    def lose(self, body: "BodyCopy") -> None:
        """Give up a body: it is counted as lost, and its room is free again."""
        self.lost += 1
        self.give_back(body, body.held_bytes)
        body.pieces, body.fields = [], None

    def put(self, body: "BodyCopy") -> None:
        """Put a complete body into the line for writing."""
        self.waiting.append(body)
        self.some.set()


class BodyCopy:
    """The request and the answer of one call, as raw bytes. `finish` puts them into the queue, once."""

    def __init__(self, call: Call, fields: Mapping[str, msgspec.Raw], queue: BodyQueue) -> None:
        self.request_id = call.request_id
        self.started_at: datetime = call.received_at
        self.fields: Mapping[str, msgspec.Raw] | None = fields
        self.pieces: list[bytes] = []
        self.streamed = False
        self.too_long = False
        """Whether the answer is longer than MAX_RAW_BYTES. Then nothing of it is stored."""
        self.held_bytes = 0
        """How much of the queue's room this body takes."""
        self._answer_bytes = 0
        self._queue: BodyQueue | None = queue

    def add(self, piece: bytes) -> None:
        """Add a piece of the answer. The whole body is lost where the queue has no room for the piece."""
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
        """The answer is complete: put the body into the queue. Further calls of this do nothing."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.put(self)


class Copied:
    """A stream that copies its pieces as they pass. Implements `functions.contract.function.EventStream`."""

    def __init__(self, stream: EventStream, body: BodyCopy) -> None:
        self._stream = stream
        self._body = body

    async def events(self) -> AsyncIterator[bytes]:
        async with aclosing(self._stream.events()) as events:  # type: ignore[type-var]
            async for piece in events:
                self._body.add(piece)
                yield piece

    def failed(self, error: GatewayError) -> bytes:
        return self._stream.failed(error)

    def close(self, error: GatewayError | None = None) -> None:
        self._stream.close(error)
        self._body.finish()
