"""An answer as it comes: a backend's parser makes events of the provider's bytes, and a front's writer makes
bytes for the client of the events. `TranslatedStream` puts the two together."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from models_registry.turns.events import AnswerEvent, Began, said_bytes
from schema.errors.base import GatewayError, Told
from schema.errors.upstream import UpstreamError
from schema.usage import Usage

NO_STREAM = "The provider answered with something else than a stream."
EMPTY = "The provider answered with an empty stream."
CUT = "The provider's stream broke off before it was complete."
"""What is told of a stream that is none, that held nothing, or that was cut, whatever its dialect."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that broke. It keeps no exception, since an exception would keep the frames of the call."""

    ahead: bytes
    """The bytes before the failure that the same read gave. They can be sent on."""
    failure: Told

    @classmethod
    def of(cls, error: UpstreamError, *, ahead: bytes = b"") -> "Broken":
        return cls(ahead=ahead, failure=Told.of(error))


class AnswerStream(Protocol):
    """Turns an upstream's stream bytes into SSE bytes for the client.

    `usage` is what the provider has reported so far. None: it has reported nothing. Until the provider
    reports the whole answer, `usage` is marked as estimated. `produced_bytes` bounds the output tokens from
    above: a token is at least one byte of text, reasoning or tool arguments.
    """

    @property
    def usage(self) -> Usage | None: ...

    @property
    def produced_bytes(self) -> int: ...

    @property
    def has_said(self) -> bool:
        """Whether `produced_bytes` is above 0. It is known sooner."""
        ...

    @property
    def most_bytes(self) -> int:
        """At least `produced_bytes`. It is known without a look at the bytes that were sent on."""
        ...

    @property
    def told_bytes(self) -> int | None:
        """`produced_bytes`, where that is how much the model said. None: some of the stream has another
        shape, and `produced_bytes` counts all bytes of that part."""
        ...

    @property
    def service_tier(self) -> str | None:
        """The service tier that the provider named. Empty: its standard tier. None: it has named none yet."""
        ...

    @property
    def done(self) -> bool:
        """True once the upstream said that the answer is complete."""
        ...

    def feed(self, data: bytes) -> bytes | Broken:
        """Take the bytes that were read, and give those that can be sent on (maybe none). An error event,
        garbage and an event over MAX_FRAME_BYTES give Broken. A broken stream is not fed again."""
        ...

    def close(self) -> bytes | Broken:
        """The upstream ended: give the rest, the closing event included. A stream that broke off gives Broken
        with UpstreamCut. A stream that held nothing gives Broken with UpstreamMalformed."""
        ...

    def failed(self, error: GatewayError) -> bytes:
        """The event that tells the client that the answer broke off. The stream ends with it."""
        ...


class Parsed(NamedTuple):
    """The events that a read gave. `failure`: the stream broke after them."""

    events: Sequence[AnswerEvent]
    failure: Told | None = None


class EventParser(Protocol):
    """Takes a provider's stream apart. What it says of the usage and the end is said as `AnswerStream`
    does."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def service_tier(self) -> str | None: ...

    @property
    def done(self) -> bool: ...

    def feed(self, data: bytes) -> Parsed:
        """The events that are whole now. The first one of a stream is `Began`. A stream that broke is not fed
        again."""
        ...

    def close(self) -> Parsed:
        """The upstream ended: the last events. A stream that broke off, or held nothing, gives its
        failure."""
        ...


class EventWriter(Protocol):
    """Writes an answer's events in the form of one surface."""

    def write(self, event: AnswerEvent) -> bytes:
        """The bytes for one event. Empty: the client is told nothing of it."""
        ...

    def end(self) -> bytes:
        """The bytes that end a complete answer, such as `data: [DONE]`."""
        ...

    def failed(self, error: GatewayError) -> bytes:
        """The bytes that end an answer that broke off."""
        ...


class SaidBytes:
    """Counts what the model said and nothing else, so that the three counts of AnswerStream are one."""

    produced_bytes = 0

    @property
    def has_said(self) -> bool:
        return self.produced_bytes > 0

    @property
    def most_bytes(self) -> int:
        return self.produced_bytes

    @property
    def told_bytes(self) -> int | None:
        return self.produced_bytes


class TranslatedStream(SaidBytes):
    """A provider's stream in the form of another surface. Implements AnswerStream."""

    def __init__(self, parser: EventParser, writer: EventWriter) -> None:
        self._parser = parser
        self._writer = writer
        self._ended = False

    @property
    def usage(self) -> Usage | None:
        return self._parser.usage

    @property
    def service_tier(self) -> str | None:
        return self._parser.service_tier

    @property
    def done(self) -> bool:
        return self._parser.done

    def feed(self, data: bytes) -> bytes | Broken:
        """See AnswerStream."""
        return b"" if self._ended else self._written(self._parser.feed(data))

    def close(self) -> bytes | Broken:
        """See AnswerStream."""
        return b"" if self._ended else self._written(self._parser.close())

    def failed(self, error: GatewayError) -> bytes:
        """See AnswerStream."""
        return self._writer.failed(error)

    def _written(self, parsed: Parsed) -> bytes | Broken:
        writer, pieces = self._writer, []
        for event in parsed.events:
            if not isinstance(event, Began):
                self.produced_bytes += said_bytes(event)
            pieces.append(writer.write(event))
        if parsed.failure is not None:
            return Broken(ahead=b"".join(pieces), failure=parsed.failure)
        if self._parser.done:
            self._ended = True
            pieces.append(writer.end())
        return b"".join(pieces)
