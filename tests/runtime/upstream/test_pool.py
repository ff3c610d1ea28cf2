"""Connections under load: limits, cancellation, and that nothing is left behind."""

import asyncio
import gc
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from models_registry.target import Deadlines
from runtime.upstream.client import HttpUpstream
from runtime.upstream.connection import Connection
from runtime.upstream.heads import address_of
from runtime.upstream.pool import PoolLimits
from schema.errors.upstream import UpstreamBusy, UpstreamError
from tests.fakes.hostile_upstream import HostileUpstream
from tests.runtime.upstream.test_client import drain, request_to

QUICK = Deadlines(connect_s=0.3, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
PATIENT = Deadlines(connect_s=10.0, first_byte_s=10.0, idle_s=10.0, total_s=20.0)


def at_provider(limits: PoolLimits, test: Callable[[HttpUpstream, HostileUpstream], Awaitable[None]]) -> None:
    async def run() -> None:
        client = HttpUpstream(limits=limits, env={})
        await client.start()
        async with HostileUpstream().running() as provider:
            await test(client, provider)
            await client.close()
        assert provider.errors == []

    asyncio.run(run())


def test_a_host_has_so_many_connections_and_no_more() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        calls = [drain(client, request_to(provider.url, "slow_stream"), PATIENT) for _ in range(9)]
        await asyncio.gather(*calls)
        assert provider.connections == 3
        assert len(provider.requests) == 9

    at_provider(PoolLimits(a_host=3), test)


def test_a_call_that_finds_all_in_use_is_told_so_with_503() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        held = await client.open(request_to(provider.url, "endless_slow"), PATIENT)
        with pytest.raises(UpstreamBusy) as refused:
            await client.open(request_to(provider.url, "happy"), QUICK)
        assert refused.value.http_status == 503
        assert refused.value.retry_after_s is not None
        held.close()
        assert await drain(client, request_to(provider.url, "happy"), QUICK)

    at_provider(PoolLimits(a_host=1), test)


def test_connections_that_rest_elsewhere_make_room() -> None:
    async def run() -> None:
        client = HttpUpstream(limits=PoolLimits(in_all=2), env={})
        await client.start()
        async with (
            HostileUpstream().running() as one,
            HostileUpstream().running() as two,
            HostileUpstream().running() as three,
        ):
            for provider in (one, two, three, one, two, three):
                assert await drain(client, request_to(provider.url, "happy"), QUICK)
                assert client.pool.open <= 2
            await client.close()

    asyncio.run(run())


def test_a_call_that_gives_up_waiting_takes_no_place_with_it() -> None:
    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        held = await client.open(request_to(provider.url, "endless_slow"), PATIENT)
        for _ in range(5):
            waiting = asyncio.create_task(client.open(request_to(provider.url, "happy"), PATIENT))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        # one more is cancelled in the very turn in which it is given a connection
        waiting = asyncio.create_task(client.open(request_to(provider.url, "happy"), PATIENT))
        await asyncio.sleep(0.01)
        held.close()
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await drain(client, request_to(provider.url, "happy"), QUICK)

    at_provider(PoolLimits(a_host=1), test)


def closed_by_us(connection: Connection) -> None:
    connection.abort()


def lost_at_once(connection: Connection) -> None:
    connection.abort()
    connection.connection_lost(None)


@pytest.mark.parametrize("end", [closed_by_us, lost_at_once])
@pytest.mark.parametrize("waiting", [1, 3])
def test_a_connection_that_ends_on_its_way_to_a_waiting_call_is_replaced(
    end: Callable[[Connection], None], waiting: int
) -> None:
    """The call was told that it may have the connection; before its turn came the connection was lost."""

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        held = await client.open(request_to(provider.url, "happy", stream=False), PATIENT)
        await held.read()
        place = client._place(address_of(provider.url), None)
        connection = client.pool.resting(place)
        assert connection is not None
        request = request_to(provider.url, "happy")
        calls = [asyncio.create_task(drain(client, request, QUICK)) for _ in range(waiting)]
        await asyncio.sleep(0.01)
        client.pool.give_back(connection)
        end(connection)
        assert all(await asyncio.gather(*calls))
        assert len(provider.requests) == 1 + waiting
        assert provider.connections == 2
        assert client.pool.open == 1

    at_provider(PoolLimits(a_host=1), test)


def test_a_used_connection_that_a_waiting_call_got_may_turn_out_stale() -> None:
    """The provider closed it as it was handed on: the call is sent on another one."""

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        held = await client.open(request_to(provider.url, "happy", stream=False), PATIENT)
        await held.read()
        connection = client.pool.resting(client._place(address_of(provider.url), None))
        assert connection is not None
        call = asyncio.create_task(drain(client, request_to(provider.url, "happy"), QUICK))
        await asyncio.sleep(0.01)
        provider.drop_idle()  # our loop has not seen the end yet
        client.pool.give_back(connection)
        assert await call
        assert len(provider.requests) == 2
        assert provider.connections == 2

    at_provider(PoolLimits(a_host=1), test)


def open_sockets() -> int:
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum("socket:" in os.path.realpath(link) for link in links)


SCRIPTS = (
    "happy",
    "happy",
    "drip",
    "cut_mid_token",
    "resets",
    "hangs_up",
    "short_body",
    "no_done",
    "garbage_http",
)


def test_calls_that_are_cancelled_anywhere_leave_nothing_behind() -> None:
    cancelled_anywhere(2_000)


def cancelled_anywhere(calls: int) -> None:
    """Make so many calls, of which many fail or are cancelled, and look for what is left: sockets, tasks,
    waiters and buffers."""
    luck = random.Random(11)

    async def call(client: HttpUpstream, url: str) -> None:
        request = request_to(url, luck.choice(SCRIPTS), stream=luck.random() < 0.5)
        task = asyncio.create_task(drain(client, request, QUICK))
        if luck.random() < 0.4:
            await asyncio.sleep(luck.choice((0, 0, 0.0005, 0.002, 0.01)))
            task.cancel()
        with suppress(UpstreamError, asyncio.CancelledError):
            await task

    async def test(client: HttpUpstream, provider: HostileUpstream) -> None:
        sockets = open_sockets()

        async def caller() -> None:
            for _ in range(calls // 20):
                await call(client, provider.url)

        await asyncio.gather(*(caller() for _ in range(20)))
        origins = list(client.pool._origins.values())
        assert client.pool.open == sum(len(origin.resting) for origin in origins) <= 8
        assert not any(origin.waiting for origin in origins)
        assert all(not each.pieces and not each.headers for origin in origins for each in origin.resting)
        client.pool.close()
        await asyncio.sleep(0.1)
        assert client.pool.open == 0
        assert client.pool._origins == {}
        provider.drop_idle()
        await asyncio.sleep(0.1)
        gc.collect()
        assert open_sockets() <= sockets
        assert len(asyncio.all_tasks()) <= 2

    at_provider(PoolLimits(a_host=8), test)


def test_a_call_to_another_host_gets_the_place_of_one_that_ends() -> None:
    async def run() -> None:
        client = HttpUpstream(limits=PoolLimits(in_all=2), env={})
        await client.start()
        async with HostileUpstream().running() as one, HostileUpstream().running() as two:
            held = [await client.open(request_to(one.url, "happy", stream=False), PATIENT) for _ in range(2)]
            waiting = asyncio.create_task(drain(client, request_to(two.url, "happy"), PATIENT))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await held[0].read()
            async with asyncio.timeout(2):
                assert await waiting
            await held[1].read()
            await client.close()

    asyncio.run(run())
