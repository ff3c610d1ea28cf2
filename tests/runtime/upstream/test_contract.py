"""What every implementation of the `Upstream` port does: the real client and the fake one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from functions.ports.models import Upstream
from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.upstream.client import HttpUpstream
from schema.errors.upstream import UpstreamCut, UpstreamTimeout
from tests.fakes import answers
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.upstream import Answer, FakeUpstream

DEADLINES = Deadlines(connect_s=1.0, first_byte_s=0.3, idle_s=0.3, total_s=3.0)
STREAM = answers.openai_stream("")
FAKES: dict[str, Answer | UpstreamTimeout] = {
    "happy": Answer(chunks=STREAM),
    "sets_cookie": Answer(headers={"X-Request-Id": "Req-1"}, body=answers.openai_chat("")),
    "status_429_retry_after": Answer(status=429, headers={"retry-after": "7"}, body=b'{"error":{}}'),
    "empty_200": Answer(),
    "cut_after_event": Answer(chunks=STREAM[:4], error=UpstreamCut("broke off")),
    "endless_slow": Answer(chunks=STREAM[1:2] * 100, stalls=True),
    "never_answers": UpstreamTimeout("no answer"),
}
REQUEST_BODY = b'{"stream":true}'


@asynccontextmanager
async def real(script: str) -> AsyncIterator[tuple[Upstream, str]]:
    client = HttpUpstream()
    await client.start()
    async with HostileUpstream(script).running() as provider:
        yield client, provider.url
    await client.close()


@asynccontextmanager
async def fake(script: str) -> AsyncIterator[tuple[Upstream, str]]:
    yield FakeUpstream(FAKES[script]), "http://provider.test"


Opener = Callable[[Upstream, UpstreamRequest], Awaitable[None]]


@pytest.fixture(params=[real, fake], ids=["real", "fake"])
def against(request: pytest.FixtureRequest) -> Callable[[str, Opener], None]:
    """Run a check against one implementation that plays the named script."""

    def check(script: str, test: Opener) -> None:
        async def main() -> None:
            async with request.param(script) as (upstream, url):
                await test(upstream, UpstreamRequest(url=url + "/v1/x", headers={}, body=REQUEST_BODY))

        asyncio.run(main())

    return check


def test_chunks_are_the_body_in_order(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        pieces = [piece async for piece in response.chunks()]
        assert b"".join(pieces) == b"".join(STREAM)
        assert all(pieces)

    against("happy", test)


def test_read_gives_the_whole_body_and_headers_are_lower_case(
    against: Callable[[str, Opener], None],
) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        assert response.headers["x-request-id"] == "Req-1"
        assert await response.read() == answers.openai_chat("")
        response.close()
        response.close()

    against("sets_cookie", test)


def test_an_error_status_is_an_answer(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        assert response.status == 429
        assert response.headers["retry-after"] == "7"
        assert (await response.read()).startswith(b'{"error"')

    against("status_429_retry_after", test)


def test_an_empty_body_ends_cleanly(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        assert [piece async for piece in response.chunks()] == []

    against("empty_200", test)


def test_a_broken_body_gives_what_came_and_then_the_error(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        got = b""
        with pytest.raises(UpstreamCut):  # noqa: PT012  (the pieces before the error count)
            async for piece in response.chunks():
                got += piece
        assert b"".join(STREAM[:4]).startswith(got)

    against("cut_after_event", test)


def test_reading_after_close_is_a_cut(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        response = await upstream.open(request, DEADLINES)
        chunks = response.chunks()
        await anext(chunks)
        response.close()
        response.close()
        with pytest.raises(UpstreamCut):
            await anext(chunks)

    against("endless_slow", test)


def test_no_answer_is_raised_by_open(against: Callable[[str, Opener], None]) -> None:
    async def test(upstream: Upstream, request: UpstreamRequest) -> None:
        with pytest.raises(UpstreamTimeout):
            await upstream.open(request, DEADLINES)

    against("never_answers", test)
