"""What a call held is free when the call is answered, however it failed, without a garbage collection."""

import asyncio
import gc
import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest

from functions.chat import chat
from functions.embeddings import embeddings
from models_registry.backends.backend import UpstreamRequest
from models_registry.routing.route import Route
from runtime.registry.live_models import LiveModels
from runtime.upstream.client import HttpUpstream
from runtime.web.door import ClientWatch, Door
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingsRequest
from schema.errors.overload import SHUTTING_DOWN
from tests.e2e.conftest import config_for
from tests.fakes.hostile_upstream import HostileUpstream
from tests.functions.contexts import make_registry, make_router
from tests.runtime.in_process import Client, House, body_of, scope_of

FAILURES: tuple[dict[str, Any], ...] = (
    {"model": "hostile/status_400_context"},
    {"model": "hostile/status_401"},
    {"model": "hostile/status_429"},
    {"model": "hostile/status_500"},
    {"model": "hostile/status_503"},
    {"model": "anthropic/status_529"},
    {"model": "ollama/status_500"},
    {"model": "hostile/resets"},
    {"model": "hostile/hangs_up"},
    {"model": "hostile/short_body"},
    {"model": "hostile/garbage_json"},
    {"model": "hostile/garbage_http"},
    {"model": "hostile/redirects"},
    {"model": "down"},
    {"model": "nobody"},
    {"model": "slow/never_answers"},
    {"model": "slow/stall", "stream": True},
    {"model": "hostile/empty_200", "stream": True},
    {"model": "hostile/error_first_frame", "stream": True},
    {"model": "hostile/error_frame", "stream": True},
    {"model": "hostile/cut_mid_token", "stream": True},
    {"model": "hostile/huge_frame", "stream": True},
    {"model": "anthropic/cut_mid_token", "stream": True},
    {"model": "ollama/cut_mid_token", "stream": True},
    {"model": "ollama/no_done", "stream": True},
    {"model": "hostile/happy", "n": "many"},
    {"model": "hostile/happy", "fallbacks": ["nobody"]},
    {"model": "down", "fallbacks": ["hostile/resets", "hostile/status_500"]},
    {"model": "anthropic/happy", "n": 3},
)
"""Calls that fail, each in its own way."""
HOLDING = (ChatRequest, EmbeddingsRequest, UpstreamRequest, aiohttp.ClientRequest, Route)
"""What reaches a call's body, or holds it."""
LEAVES = "the client leaves"
ROOM = 10_000_000


def holding() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, HOLDING)]


class Uncollected:
    """A house on a real client, and what is left of its calls while nobody collects garbage."""

    def __init__(self) -> None:
        self._provider = HostileUpstream()
        self._house = House()
        self._open = AsyncExitStack()
        self._others: set[int] = set()
        """What a test before this one left: pytest keeps the frames of one that failed."""

    async def __aenter__(self) -> "Uncollected":
        await self._open.enter_async_context(self._provider.running())
        upstream = HttpUpstream()
        await upstream.start()
        self._open.push_async_callback(upstream.close)
        given = {**config_for(self._provider.url), "general_settings": {}}
        house = self._house
        house.room.max_bytes = ROOM
        house.gateway = msgspec.structs.replace(house.gateway, max_body_bytes=ROOM)
        house.give(upstream=upstream, models=LiveModels(make_registry(given)), routes=make_router(given))
        gc.collect()
        self._others = {id(each) for each in holding()}
        gc.disable()
        return self

    async def __aexit__(self, *exc: object) -> None:
        gc.enable()
        await self._open.aclose()

    async def call(self, fields: dict[str, Any], fn: Any = chat, *, cancelled: str | None = None) -> Client:
        """`cancelled`: with this word, once the provider has the request; or because the client leaves."""
        text = "x" * 100_000
        content = {"input": text} if fn is embeddings else {"messages": [{"role": "user", "content": text}]}
        client = Client(body_of(json.dumps({**fields, **content}).encode()))
        endpoint = self._house.endpoint(fn)
        decoder = self._house.gateway.decoder
        door = Door({"POST": endpoint}, ROOM, room=self._house.room, decoder=decoder, watch=ClientWatch())
        task = asyncio.create_task(door.handle(scope_of(), client.receive, client.send))
        if cancelled is not None:
            async with asyncio.timeout(5):
                await self._provider.next_request()
            client.leave() if cancelled == LEAVES else task.cancel(cancelled)
        await asyncio.wait([task], timeout=20)
        assert task.done()
        assert not client.got or client.status != 413
        return client

    async def left(self) -> dict[str, int]:
        for _ in range(5):  # connections say to each other that they ended
            await asyncio.sleep(0.01)
        found = Counter(type(each).__name__ for each in holding() if id(each) not in self._others)
        return dict(found) | ({"room": self._house.room.held_bytes} if self._house.room.held_bytes else {})


@pytest.mark.parametrize("fields", FAILURES, ids=lambda fields: "-".join(map(str, fields.values())))
def test_a_failed_call_leaves_nothing(fields: dict[str, Any]) -> None:
    async def run() -> dict[str, int]:
        async with Uncollected() as house:
            client = await house.call(fields)
            assert client.status != 200 or b'"error"' in client.body, "it should fail"
            return await house.left()

    assert asyncio.run(run()) == {}


@pytest.mark.parametrize("model", ["hostile/status_500", "down", "hostile/garbage_json", "slow/stall"])
def test_failed_embeddings_leave_nothing(model: str) -> None:
    async def run() -> dict[str, int]:
        async with Uncollected() as house:
            assert (await house.call({"model": model}, embeddings)).status >= 400
            return await house.left()

    assert asyncio.run(run()) == {}


@pytest.mark.parametrize("word", [LEAVES, SHUTTING_DOWN])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_is_cancelled_leaves_nothing(word: str, streamed: bool) -> None:
    async def run() -> dict[str, int]:
        async with Uncollected() as house:
            script = "stall" if streamed else "never_answers"
            await house.call({"model": f"hostile/{script}", "stream": streamed}, cancelled=word)
            return await house.left()

    assert asyncio.run(run()) == {}
