"""What open pages are told, by a gateway with two workers: calls in flight, new rows, and when it is over."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import config_for
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream

WAIT_S = 30.0
PAGES = 8
"""Enough that both workers have some of them, nearly always: the tests hold for one worker too."""
HANGS = {"model": "hostile/never_answers", "messages": [{"role": "user", "content": "Hi"}]}
ANSWERS = {"model": "hostile/happy", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def live(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway with two workers."""
    name = f"live_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder = tmp_path_factory.mktemp("live")
    with serving(
        folder, config_for(upstream.url), dsn_of(postgres_server, name), "--workers", "2"
    ) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class Stream:
    """The events of one page, as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.headers = answer.headers
        self._lines = answer.aiter_lines()

    async def until_both(self, calls: Callable[[Any], bool], rows: Callable[[Any], bool]) -> None:
        """Wait until there was an event `calls` and an event `rows` that fit, in whichever order."""
        wanted = {"calls": calls, "rows": rows}

        async def found() -> None:
            async for name, data in self._events():
                if name in wanted and wanted[name](data):
                    del wanted[name]
                if not wanted:
                    return

        await asyncio.wait_for(found(), WAIT_S)
        assert not wanted

    async def until(self, wanted: str, fits: Callable[[Any], bool] = lambda data: True) -> Any:
        """The data of the first event of that name that fits. The end of the stream is the event `over`."""
        return await asyncio.wait_for(self._until(wanted, fits), WAIT_S)

    async def _until(self, wanted: str, fits: Callable[[Any], bool]) -> Any:
        async for name, data in self._events():
            if name == wanted and fits(data):
                return data
        assert wanted == "over", f"the stream ended before `{wanted}`"
        return None

    async def _events(self) -> AsyncIterator[tuple[str, Any]]:
        name = ""
        async for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def opened(client: httpx.AsyncClient, gateway: Gateway, key: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", f"{gateway.url}/live/events", headers=bearer(key)) as answer:
        assert answer.status_code == 200
        yield Stream(answer)


def with_client(scenario: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=WAIT_S, limits=limits) as client:
            await scenario(client)

    asyncio.run(run())


def has(*models: str) -> Callable[[Any], bool]:
    return lambda data: sorted(call["model"] for call in data["calls"]) == sorted(models)


def test_calls_in_flight_and_new_rows_are_told_over_all_workers_to_who_may_see_them(live: Gateway) -> None:
    ada, bob = live.virtual_key("ada's", user_id="ada"), live.virtual_key("bob's", user_id="bob")

    async def scenario(client: httpx.AsyncClient) -> None:
        async with AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(opened(client, live, live.key)) for _ in range(PAGES)]
            of_ada = await stack.enter_async_context(opened(client, live, ada))
            of_bob = await stack.enter_async_context(opened(client, live, bob))
            assert pages[0].headers["x-accel-buffering"] == "no"
            assert pages[0].headers["content-type"].startswith("text/event-stream")
            call = asyncio.create_task(
                client.post(f"{live.url}/v1/chat/completions", json=HANGS, headers=bearer(ada))
            )
            for page in (*pages, of_ada):
                found = await page.until("calls", has("hostile/never_answers"))
                assert [each["user_id"] for each in found["calls"]] == ["ada"]
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
            for page in (*pages, of_ada):
                await page.until_both(has(), lambda data: data["rows"] == 1)
            answer = await client.post(f"{live.url}/v1/chat/completions", json=ANSWERS, headers=bearer(bob))
            assert answer.status_code == 200
            await of_bob.until("rows")  # of bob's own call, and not of ada's before it
            for page in pages:
                await page.until("rows")

    with_client(scenario)


def test_pages_that_poll_get_the_calls_of_all_workers(live: Gateway) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        call = asyncio.create_task(
            client.post(f"{live.url}/v1/chat/completions", json=HANGS, headers=bearer(live.key))
        )

        async def asked() -> list[str]:
            answer = await client.get(f"{live.url}/live/calls", headers=bearer(live.key))
            return [each["model"] for each in answer.json()["calls"]]

        async with asyncio.timeout(WAIT_S):
            seen = 0
            while seen < PAGES:  # several answers in a row, of whichever worker
                seen = seen + 1 if await asked() == ["hostile/never_answers"] else 0
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    with_client(scenario)


def test_a_blocked_key_and_a_role_taken_away_end_the_stream(live: Gateway) -> None:
    key = live.virtual_key("watcher", user_id="eve")
    made = live.post("/user/new", user_id="vera", user_role="proxy_admin_viewer", auto_create_key=False)
    assert made.status_code == 200, made.text
    viewer = live.virtual_key("vera's", user_id="vera")

    async def scenario(client: httpx.AsyncClient) -> None:
        async with opened(client, live, key) as blocked, opened(client, live, viewer) as demoted:
            await blocked.until("calls")
            await demoted.until("calls")
            answer = await client.post(f"{live.url}/key/block", json={"key": key}, headers=bearer(live.key))
            assert answer.status_code == 200, answer.text
            told = await blocked.until("ended")
            assert "blocked" in told["error"]["message"].lower()
            await blocked.until("over")
            change = {"user_id": "vera", "user_role": "internal_user"}
            answer = await client.post(f"{live.url}/user/update", json=change, headers=bearer(live.key))
            assert answer.status_code == 200, answer.text
            await demoted.until("over")
        refused = await client.get(f"{live.url}/live/events", headers=bearer(key))
        assert refused.status_code == 401

    with_client(scenario)


def test_a_page_that_is_closed_ends_its_stream(live: Gateway) -> None:
    """The log has the line of a request when its answer is over."""

    def ended() -> int:
        return live.process.log().count('"function":"live.events"')

    async def scenario(client: httpx.AsyncClient) -> None:
        before = ended()
        async with opened(client, live, live.key) as page:
            await page.until("calls")
            assert ended() == before
        async with asyncio.timeout(WAIT_S):
            while ended() == before:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.05)

    with_client(scenario)
