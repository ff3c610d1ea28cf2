"""A stream from a provider to a client, from its first event to its end.

The first events of many providers only open the answer: OpenAI's `response.created`, Anthropic's
`message_start`, a chunk that has the role alone. The failures that often follow them, such as a used up quota
or an overload, would come too late for another attempt if the client had been sent the opening. So an opening
is kept until the answer says something, for OPENING_S and OPENING_BYTES at most.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

import msgspec

from functions.calls.answer_head import StreamHead
from functions.contract.silence import Silence
from functions.ports.models import Hold, UpstreamResponse
from models_registry.turns.stream import AnswerStream, Broken
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamMalformed, UpstreamTimeout
from schema.usage import Usage

OPENING_S = 2.0
"""How long events are kept that only open an answer."""
OPENING_BYTES = 64 * 1024
"""How many bytes of such events are kept."""
END_S = 0.2
"""How long the gateway waits for the end of a body whose answer is complete. A connection whose body was read
to its end can be used again."""


COMMENT = b":"
UNREAD = "The provider's stream could not be read."


class EventWait(NamedTuple):
    """The wait for a stream's events. A comment is none, and extends no deadline."""

    silence: Silence
    """Who is told of comments before the first event."""
    first_s: float
    """How long the provider may send nothing but comments before its first event."""
    idle_s: float
    """The same between two events."""


class AnswerBounds(Protocol):
    """The usage that is booked for a streamed answer."""

    def completed(self, usage: Usage | None, most_bytes: int, told_bytes: Callable[[], int | None]) -> Usage:
        """The usage of an answer that is complete."""
        ...

    def broken(self, usage: Usage | None, shown_bytes: int) -> Usage:
        """The usage of an answer that broke off."""
        ...


class Relay:
    """Relays one stream, and ends its hold whichever way the stream ends. Implements `EventStream`."""

    def __init__(
        self,
        response: UpstreamResponse,
        parser: AnswerStream,
        *,
        hold: Hold,
        bounds: AnswerBounds,
        wait: EventWait,
        name: str = "",
    ) -> None:
        self._response = response
        self._parser = parser
        self._hold: Hold | None = hold
        self._bounds = bounds
        self._chunks = response.chunks()
        self._first: bytes | Broken = b""
        self._head = StreamHead(name)
        self._wait = wait
        self._late: asyncio.Task[bytes | None] | None = None
        """The next read, which had begun when an opening had been kept for long enough."""
        self._comments_since: float | None = None
        """When the first comment after the last event came, by `time.monotonic()`. None: an event came
        last."""

    @classmethod
    async def begin(
        cls,
        response: UpstreamResponse,
        parser: AnswerStream,
        *,
        hold: Hold,
        bounds: AnswerBounds,
        wait: EventWait,
        name: str = "",
    ) -> "Relay":
        """Read until the answer says something, or its opening was kept for long enough. Where the provider
        fails before that, the error is raised here, and the caller gets a status in place of a stream. `name`
        is what the client is told that the model is called. Empty: what the provider says."""
        relay = cls(response, parser, hold=hold, bounds=bounds, wait=wait, name=name)
        try:
            relay._first = relay._told(await relay._opening())
        except UnicodeDecodeError:
            relay._opened()
            raise UpstreamMalformed(UNREAD) from None
        hold.first_token()
        return relay

    async def _opening(self) -> bytes | Broken:
        """What comes until the answer says something. Raises as `begin` does."""
        parser, wait = self._parser, self._wait
        first: bytes | Broken = b""
        async for data in self._chunks:
            first = parser.feed(data)
            if data.startswith(COMMENT) and not first:
                self._commented(wait.first_s)
                wait.silence.comment(data)
                continue
            if first:
                break
        else:
            first = parser.close()
        self._comments_since = None
        return first if parser.has_said or parser.done else await self._after_opening(first)

    async def _after_opening(self, kept: bytes | Broken) -> bytes | Broken:
        """The opening with what follows it. Raises the error of a provider that fails before it said
        anything."""
        parser, until = self._parser, time.monotonic() + OPENING_S
        while isinstance(kept, bytes) and not (parser.has_said or parser.done):
            if len(kept) > OPENING_BYTES:
                return kept
            read = asyncio.ensure_future(anext(self._chunks, None))
            try:
                await asyncio.wait((read,), timeout=max(0.0, until - time.monotonic()))
            except asyncio.CancelledError:
                _drop(read)
                self._opened()
                raise
            if not read.done():
                self._late = read
                return kept
            try:
                data = read.result()
                more = parser.close() if data is None else parser.feed(data)
                self._noticed(data)
            except GatewayError:
                self._opened()
                raise
            if isinstance(more, Broken):
                kept = msgspec.structs.replace(more, ahead=kept + more.ahead)
            else:
                kept += more
        if isinstance(kept, Broken) and not parser.has_said:
            if kept.ahead:
                self._opened()
            raise kept.failure.error()
        return kept

    def _opened(self) -> None:
        """The answer ends in its opening: the hold is ended by whoever knows whether another attempt is
        made."""
        if self._hold is not None:
            self._hold.opened(self._produced())

    async def events(self) -> AsyncIterator[bytes]:
        """The stream as SSE. A stream that breaks raises its GatewayError, after the attempt was booked."""
        parser, out = self._parser, self._first
        feed = parser.feed
        try:
            while isinstance(out, bytes):
                if out:
                    yield out
                if parser.done:
                    break
                if self._late is None:
                    data = await anext(self._chunks, None)
                else:
                    late, self._late = self._late, None
                    data = await late
                if data is None:
                    out = parser.close()
                else:
                    out = feed(data)
                    if data.startswith(COMMENT):
                        self._commented(self._wait.idle_s)
                    elif self._comments_since is not None:
                        self._comments_since = None
                out = self._told(out)
                if parser.done:
                    await self._settle()
            else:
                self._fail(out.failure.error())
                if out.ahead:
                    yield out.ahead
                raise out.failure.error()
            await self._settle()
            await self._let_end()
        except GatewayError as error:
            self._fail(error)
            raise
        except Exception as error:
            self._fail(error)
            raise UpstreamMalformed(UNREAD) from error

    def _noticed(self, data: bytes | None) -> None:
        """Something came, or nothing comes any more. Raises UpstreamTimeout as `_commented` does."""
        if data is not None and data.startswith(COMMENT):
            self._commented(self._wait.idle_s)
        else:
            self._comments_since = None

    def _commented(self, limit_s: float) -> None:
        """A comment came. Raises UpstreamTimeout where nothing else has come for too long."""
        now = time.monotonic()
        if self._comments_since is None:
            self._comments_since = now
        elif now - self._comments_since > limit_s:
            raise UpstreamTimeout(f"The provider sent nothing but comments for {limit_s:g} s.")

    async def _let_end(self) -> None:
        """Wait `END_S` for the end of the body, else close the connection."""
        try:
            async with asyncio.timeout(END_S):
                await anext(self._chunks, None)
        except (TimeoutError, GatewayError):
            self._response.close()

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream."""
        return self._head.failed(self._parser.failed(error))

    def close(self, error: GatewayError | None = None) -> None:
        """Close the connection to the provider. A hold that has not ended is ended with what was produced."""
        self._response.close()
        late, self._late = self._late, None
        if late is not None:
            _drop(late)
        hold, self._hold = self._hold, None
        if hold is None:
            return
        if error is not None:
            hold.fail(error, self._produced())
        elif self._parser.done and self._parser.usage is not None:
            hold.settle(self._produced())
        else:
            hold.cancel(self._produced())

    def _told(self, out: bytes | Broken) -> bytes | Broken:
        """What the client is sent, with the model's name, and the answer's id noted."""
        head = self._head
        known = head.id
        out = head.told(out)
        if head.id is not known and self._hold is not None:
            self._hold.answered(head.id)
        return out

    async def _settle(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.settle(self._produced())
            await hold.charged()

    def _fail(self, error: Exception) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.fail(error, self._produced())

    def _produced(self) -> Usage:
        """The usage to book: the provider's report, and an upper bound for what the report lacks."""
        parser, usage, bounds = self._parser, self._parser.usage, self._bounds
        if parser.done or (usage is not None and not usage.estimated):
            booked = bounds.completed(usage, parser.most_bytes, lambda: parser.told_bytes)
        else:
            booked = bounds.broken(usage, parser.produced_bytes)
        tier = parser.service_tier
        return (
            booked
            if usage is not None or tier is None
            else msgspec.structs.replace(booked, service_tier=tier)
        )


def _drop(read: "asyncio.Future[bytes | None]") -> None:
    """Nobody waits for this read any more. What it ends with is looked at, so that nobody is told of it."""
    read.cancel()
    read.add_done_callback(lambda done: done.cancelled() or done.exception())
