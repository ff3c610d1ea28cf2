"""A stream whose client is sent nothing that its readers have not read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from functions.calls.guarded import Guarding, unreadable
from functions.calls.readers import Readers
from functions.calls.wrapped_hold import WrappedHold
from functions.contract.function import EventStream
from functions.ports.models import Hold
from models_registry.contents.texts import Unreadable
from models_registry.contents.windows import HeldTooMuch, StreamWindow
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.usage import Usage

MOST_WAITED_S = 1.0
"""A window that is not full is read once its first text is so old, when something comes."""


class LateHold(WrappedHold):
    """A hold whose ending waits for the guardrails: they may still refuse an answer that is complete."""

    __slots__ = ("_error", "is_over", "usage")

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold)
        self.usage: Usage | None = None
        """The usage to be booked when the hold ends. None: the stream has not ended, or nobody knows it."""
        self._error: Exception | None = None
        self.is_over = False

    def settle(self, usage: Usage) -> None:
        self.usage = usage

    def settle_hit(self, usage: Usage) -> None:
        self._hold.settle_hit(usage)
        self.is_over = True

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        """It is noted and not booked: while nothing was sent, the router may make another attempt, and then
        `Attempts` books this one with `usage`. Else `finish` does."""
        if self._error is None and not self.is_over:
            self._error, self.usage = error, usage or self.usage

    def cancel(self, usage: Usage) -> None:
        if not self.is_over:
            self.is_over = True
            self._hold.cancel(usage)

    async def charged(self) -> None:
        if self.is_over:
            await self._hold.charged()

    def finish(self) -> None:
        """Nothing more comes: end the hold as it was said."""
        if self.is_over:
            return
        if self._error is not None:
            self.is_over = True
            self._hold.fail(self._error, self.usage)
        elif self.usage is not None:
            self.is_over = True
            self._hold.settle(self.usage)

    def refuse(self, error: Exception) -> None:
        """A guardrail lets the answer not through. What the provider reported is booked."""
        if not self.is_over:
            self.is_over = True
            self._hold.fail(error, self.usage)


class GuardedStream:
    """Implements EventStream."""

    def __init__(
        self,
        stream: EventStream,
        hold: LateHold,
        guarding: Guarding[Any],
        readers: Readers,
        *,
        model: str,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told when a reader changes something."""
        self._stream = stream
        self._hold = hold
        self._guarding = guarding
        self._readers = readers
        self._model = model
        self._changed = changed
        self._pieces = stream.events()
        self._window = StreamWindow(window_chars=readers.window_chars, held_chars=readers.held_chars)
        self._unread_since: float | None = None
        self._ready = b""
        self._is_over = self._is_refused = False

    async def begin(self) -> None:
        """Read and check the first window, so that a refusal still has a status of its own. Where this
        raises, nothing was sent."""
        try:
            while not self._ready and not self._is_over:
                self._ready = await self._more()
        except asyncio.CancelledError as exc:
            self._stream.close(ShuttingDown("The worker stopped.") if SHUTTING_DOWN in exc.args else None)
            raise
        except GatewayError:
            self._stream.close()  # whoever raised it has ended the hold
            raise
        except Exception as exc:
            self._stream.close(GatewayError("The gateway failed."))
            self._hold.fail(exc)
            self._hold.finish()
            raise

    async def events(self) -> AsyncIterator[bytes]:
        """See EventStream. Where the provider breaks off, the client is sent what was judged before."""
        try:
            while True:
                ready, self._ready = self._ready, b""
                if self._is_over:
                    self._hold.finish()
                    await self._hold.charged()
                if ready:
                    yield ready
                if self._is_over:
                    break
                self._ready = await self._more()
        except GatewayError:
            self._hold.finish()
            if not self._is_refused and (judged := self._window.judged()):
                yield judged
            raise

    async def _more(self) -> bytes:
        """Take one piece more. Gives what may be sent. A refusal ends the stream and its hold."""
        piece = await anext(self._pieces, None)
        window = self._window
        try:
            if piece is None:
                self._is_over = True
                await self._read()
                return window.rest()
            window.feed(piece)
            if window.has_unread and self._unread_since is None:
                self._unread_since = time.monotonic()
            since = self._unread_since
            if window.is_full or (since is not None and time.monotonic() - since > MOST_WAITED_S):
                await self._read()
                return window.let_through()
        except (Unreadable, HeldTooMuch):
            error = unreadable(self._readers)
            self._end(error)
            raise error from None
        except GatewayError as error:
            self._end(error)
            raise
        return b""

    async def _read(self) -> None:
        window = self._window
        self._unread_since = None
        if not window.has_unread:
            return
        texts = await self._guarding.after(self._readers, window.texts, self._model)
        if window.read(texts):
            self._changed()

    def _end(self, error: GatewayError) -> None:
        """Cut the provider off, and book what it produced. Nothing more is sent."""
        self._is_refused = True
        self._stream.close(error)
        self._hold.refuse(error)

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream."""
        return self._stream.failed(error)

    def close(self, error: GatewayError | None = None) -> None:
        """See EventStream."""
        self._stream.close(error)
        self._hold.finish()
