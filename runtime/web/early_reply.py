"""Keeps the client of a streamed call company while no event comes: proxies and SDKs give up on a connection
without a byte, and a large model may think for minutes.

After `every_s` seconds without anything the head of the reply is sent, and a comment follows at that interval
until the call is answered. A comment of the provider is passed on at once, with the head before it. The call
goes on all the while: it may still be retried, or go to another model. Where the answer comes in time, all of
this costs one timer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from functions.contract.function import StreamForm
from runtime.web.sending import WRITE_S, Send

MAX_COMMENT_BYTES = 1024
MAX_WAITING = 16
"""The most comments that wait for a client that does not read. Further ones are left out."""
Pairs = Sequence[tuple[bytes, bytes]]


class EarlyReply:
    """The reply to one call, before the call has one. Implements `functions.contract.silence.Silence`."""

    __slots__ = ("_due", "_every_s", "_form", "_head", "_send", "_waiting", "_writing", "begun")

    def __init__(self, send: Send, every_s: float) -> None:
        self._send = send
        self._every_s = every_s
        self._head: Callable[[], Pairs] | None = None
        self._form: StreamForm | None = None
        self._due: asyncio.TimerHandle | None = None
        self._waiting: deque[bytes] = deque()
        self._writing: asyncio.Task[None] | None = None
        self.begun = False
        """Whether the head was sent."""

    def mind(self, form: StreamForm, head: Callable[[], Pairs]) -> None:
        """The call asks for a stream. `head` gives the headers of an early head."""
        self._form, self._head = form, head

    def sent(self) -> None:
        """See Silence. The time runs from the first attempt."""
        if self._head is not None and self._due is None and self._every_s > 0:
            self._due = asyncio.get_running_loop().call_later(self._every_s, self._ping)

    def comment(self, data: bytes) -> None:
        """See Silence. A comment of another shape than a whole one is told in this form's own way."""
        if self._form is None:
            return
        whole = data.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) and len(data) <= MAX_COMMENT_BYTES
        self._write(data if whole and self._form.passes_comments else self._form.ping)

    @property
    def writes(self) -> bool:
        """Whether anything was sent, or is being sent."""
        return self._writing is not None

    async def over(self) -> bool:
        """The call is answered: nothing more is sent from here. Gives whether the head was sent."""
        self._stop()
        self._head = self._form = None
        writing = self._writing
        if writing is not None and not writing.done():
            self._waiting.clear()
            await asyncio.wait({writing}, timeout=WRITE_S / 2)
        self.close()
        return self.begun

    def close(self) -> None:
        """The client has left, or the call is over."""
        self._stop()
        self._head = self._form = None
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _ping(self) -> None:
        if self._form is not None:
            self._write(self._form.ping)

    def _write(self, piece: bytes) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(piece)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._written(), name="early reply")

    async def _written(self) -> None:
        self._stop()
        if not self.begun and self._head is not None:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": list(self._head())})
        while self.begun and self._waiting:
            body = self._waiting.popleft()
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if self._form is not None:
            self._due = asyncio.get_running_loop().call_later(self._every_s, self._ping)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
