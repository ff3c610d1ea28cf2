"""One call's request and answer, copied as they pass: no work but to count and keep."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

import msgspec

from functions.contract.call import Call
from functions.contract.function import EventStream
from schema.errors import GatewayError

MAX_RAW_BYTES = 8 * 1024 * 1024
"""A longer request or answer is not looked at."""


class Room(Protocol):
    """What all copies together share."""

    def hold(self, body: "Body", size: int) -> bool:
        """Take room; false where there is none."""
        ...

    def give_back(self, body: "Body", size: int) -> None: ...

    def lose(self, body: "Body") -> None:
        """It will not be kept after all."""
        ...

    def put(self, body: "Body") -> None:
        """It is complete."""
        ...


class Body:
    """One call's, as raw as it came. `release` and `finish` are called once."""

    def __init__(self, call: Call, fields: Mapping[str, msgspec.Raw], room: Room) -> None:
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
        self._room: Room | None = room

    def add(self, piece: bytes) -> None:
        """Some of the answer."""
        if self._room is None or self.too_long:
            return
        self._answer_bytes += len(piece)
        if self._answer_bytes > MAX_RAW_BYTES:
            self.too_long = True
            self._room.give_back(self, sum(map(len, self.pieces)))
            self.pieces = []
        elif self._room.hold(self, len(piece)):
            self.pieces.append(piece)
        else:
            self._room.lose(self)
            self._room = None

    def finish(self) -> None:
        """All of it is there."""
        room, self._room = self._room, None
        if room is not None:
            room.put(self)


class Copied:
    """A stream whose pieces are kept as they pass. Implements `functions.contract.function.EventStream`."""

    def __init__(self, stream: EventStream, body: Body) -> None:
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
