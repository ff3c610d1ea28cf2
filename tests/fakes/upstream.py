"""The `Upstream` port in memory, for functions called directly.

    upstream = FakeUpstream(Answer(body=answers.openai_chat()))
    upstream = FakeUpstream(Answer(chunks=answers.openai_stream()))
    upstream = FakeUpstream(UpstreamTimeout("..."), Answer(status=429, headers={"retry-after": "7"}))

Answers are given in order, and the last one is repeated. The fake passes
`tests/runtime/upstream/test_contract.py`, as the real client does.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from schema.errors.upstream import UpstreamCut, UpstreamError


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the fake provider says. `body` comes as one chunk, `chunks` come one at each turn of the loop."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    chunks: Sequence[bytes] = ()
    error: UpstreamError | None = None
    """Raised after the last chunk, as when a stream breaks off."""
    took_s: float = 0.0
    """How long it says that it took."""
    stalls: bool = False
    """Whether nothing comes after the last chunk, not even the end."""


class FakeResponse:
    """An `UpstreamResponse`. `closed` is True once it was closed before its body was read."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._ended = False
        self.closed = False

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._answer.headers.items()}

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        return [(name.encode(), value.encode()) for name, value in self._answer.headers.items()]

    @property
    def took_s(self) -> float:
        return self._answer.took_s if self._ended else 0.0

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        pieces = (self._answer.body, *self._answer.chunks)
        for piece in filter(None, pieces):
            await asyncio.sleep(0)
            if self.closed:
                raise UpstreamCut("The fake upstream was closed while it was read.")
            yield piece
        if self._answer.stalls:
            await asyncio.Event().wait()
        self._ended = True
        if self._answer.error is not None:
            raise self._answer.error

    def close(self) -> None:
        self.closed = self.closed or not self._ended


class FakeUpstream:
    """Keeps each request in `requests` and each answer it gave in `responses`."""

    def __init__(self, *script: Answer | UpstreamError) -> None:
        self._script = list(script)
        self.requests: list[UpstreamRequest] = []
        self.responses: list[FakeResponse] = []
        self.deadlines: list[Deadlines] = []
        self.near: list[bool] = []
        """For each request, whether it may only go to a near address."""
        self.judged: list[bool] = []
        """For each request, whether its address is one that somebody entered through the API."""

    async def open(
        self, request: UpstreamRequest, deadlines: Deadlines, *, near: bool = False, judged: bool = False
    ) -> FakeResponse:
        """Give the next answer. Raises the error where one is next, and AssertionError where nothing was
        scripted."""
        assert self._script, f"the upstream was called, and the test gave it no answer: {request!r}"
        self.requests.append(request)
        self.deadlines.append(deadlines)
        self.near.append(near)
        self.judged.append(judged)
        await asyncio.sleep(0)
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, UpstreamError):
            raise step
        response = FakeResponse(step)
        self.responses.append(response)
        return response
