"""What the readers of streams share that come as server-sent events: the cutting into whole events, the first
look at an answer that is no stream, and the end."""

from abc import ABC, abstractmethod

from models_registry.backends.provider_errors import error_instead
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent
from models_registry.turns.sse import LINE_ENDS, MAX_FRAME_BYTES, Event, EventCutter, events
from models_registry.turns.stream import CUT, EMPTY, NO_STREAM, Broken, Parsed, SaidBytes
from schema.errors.base import Told
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed

NO_EVENTS: tuple[AnswerEvent, ...] = ()


def is_no_stream(rest: bytes) -> bool:
    """Whether what came before any event is JSON: an answer that is no stream, or an error."""
    return rest.lstrip()[:1] in (b"{", b"[")


class _Reader:
    """What every reader of a stream keeps: the bytes of the event that is not whole yet, whether the answer
    has begun, and whether it is complete."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._cutter = EventCutter(MAX_FRAME_BYTES)
        self._begun = False
        self.done = False


class EventReading(_Reader, ABC):
    """A parser of a stream of server-sent events. Implements EventParser but for the usage."""

    @abstractmethod
    def _translate(self, data: bytes, found: list[AnswerEvent]) -> None:
        """Append what an event tells. Raises UpstreamError."""

    def _ended(self, found: list[AnswerEvent]) -> bool:
        """Whether the stream is complete where its bytes end. What the end tells is appended."""
        return self.done

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        if self.done:
            return Parsed(NO_EVENTS)
        found: list[AnswerEvent] = []
        try:
            self._read(self._cutter.feed(data), found)
        except UpstreamError as error:
            return Parsed(found, Told.of(error))
        return Parsed(found)

    def close(self) -> Parsed:
        """See EventParser. The last event needs no empty line after it."""
        if self.done:
            return Parsed(NO_EVENTS)
        rest = self._cutter.close()
        if not self._begun and is_no_stream(rest):
            return Parsed(NO_EVENTS, Told.of(error_instead(rest, self._target, NO_STREAM)))
        found: list[AnswerEvent] = []
        try:
            self._read(rest.strip(LINE_ENDS) + b"\n\n", found)
        except UpstreamMalformed:
            pass  # an event that is not whole tells nothing: the stream was cut
        except UpstreamError as error:
            return Parsed(found, Told.of(error))
        if self._begun and self._ended(found):
            return Parsed(found)
        return Parsed(found, Told.of(UpstreamCut(CUT) if self._begun else UpstreamMalformed(EMPTY)))

    def _read(self, block: bytes, found: list[AnswerEvent]) -> None:
        for event in events(block):
            if event.data is not None and not self.done:
                self._translate(event.data, found)


class BlockRelaying(_Reader, ABC):
    """Relays a stream of server-sent events as it came, in blocks of whole events. Implements `feed` and
    `done` of AnswerStream."""

    @abstractmethod
    def _relay(self, block: bytes) -> bytes | Broken:
        """What the client is sent of a block of whole events."""

    def feed(self, data: bytes) -> bytes | Broken:
        """See AnswerStream."""
        if self.done:
            return b""
        try:
            block = self._cutter.feed(data)
        except UpstreamError as error:
            return Broken.of(error)
        return self._relay(block) if block else b""


class EventRelaying(SaidBytes, BlockRelaying):
    """Relays a stream event by event. Implements AnswerStream but for the usage and the words of a
    failure."""

    @abstractmethod
    def _passes(self, event: Event, kept: list[bytes]) -> bool:
        """Learn from an event, and say whether it goes on to the client. What goes on before a failure is
        appended. Raises UpstreamError."""

    def close(self) -> bytes | Broken:
        """See AnswerStream. A stream without its terminal event is a cut. The last event needs no empty line
        after it."""
        if self.done:
            return b""
        rest = self._cutter.close()
        if not self._begun and is_no_stream(rest):
            return Broken.of(error_instead(rest, self._target, NO_STREAM))
        out = self._relay(rest.strip(LINE_ENDS) + b"\n\n") if rest.strip() else b""
        if isinstance(out, Broken) and not (self._begun and out.failure.kind is UpstreamMalformed):
            return out
        ahead = out.ahead if isinstance(out, Broken) else out
        if self.done:
            return ahead
        return (
            Broken.of(UpstreamCut(CUT), ahead=ahead) if self._begun else Broken.of(UpstreamMalformed(EMPTY))
        )

    def _relay(self, block: bytes) -> bytes | Broken:
        kept: list[bytes] = []
        try:
            for event in events(block):
                if not self.done and self._passes(event, kept):
                    kept.append(event.raw.lstrip(LINE_ENDS))
        except UpstreamError as error:
            return Broken.of(error, ahead=b"".join(kept))
        return b"".join(kept)

    def _is_comment(self, event: Event) -> bool:
        """Whether an event without data goes on: a comment, once the answer has begun."""
        return self._begun and event.raw.lstrip(LINE_ENDS).startswith(b":")
