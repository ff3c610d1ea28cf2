"""A credential that runs out: one fetch for all, in time, and again after a failure."""

import asyncio

import pytest

from runtime.credentials import fresh
from runtime.credentials.fresh import Fresh, Lasting, Unsigned


class Source:
    """Gives `token 1`, `token 2` ... for `for_s` seconds each, or fails."""

    def __init__(self, for_s: float = 3600.0) -> None:
        self.for_s = for_s
        self.fetches = 0
        self.fails = False

    async def fetch(self) -> Lasting[str]:
        self.fetches += 1
        number = self.fetches
        await asyncio.sleep(0.01)
        if self.fails:
            raise Unsigned("nobody is there")
        return Lasting(f"token {number}", self.for_s)


def test_calls_that_come_together_wait_for_one_fetch() -> None:
    async def run() -> None:
        source = Source()
        token = Fresh(source.fetch)
        assert await asyncio.gather(*(token.get() for _ in range(200))) == ["token 1"] * 200
        assert await token.get() == "token 1"
        assert source.fetches == 1

    asyncio.run(run())


def test_a_value_is_fetched_again_before_its_end_while_calls_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        source = Source(for_s=100.0)
        token = Fresh(source.fetch)
        now = [1000.0]
        monkeypatch.setattr(fresh, "monotonic", lambda: now[0])
        assert await token.get() == "token 1"
        now[0] += 49
        assert await token.get() == "token 1"
        assert source.fetches == 1
        now[0] += 2
        assert await token.get() == "token 1"  # the second is on its way
        await asyncio.sleep(0.05)
        assert await token.get() == "token 2"
        now[0] += 101
        assert await token.get() == "token 3"  # nothing is served behind its end

    asyncio.run(run())


def test_a_refresh_that_fails_leaves_the_value_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        source = Source(for_s=100.0)
        token = Fresh(source.fetch)
        now = [1000.0]
        monkeypatch.setattr(fresh, "monotonic", lambda: now[0])
        await token.get()
        source.fails = True
        now[0] += 60
        for _ in range(20):
            assert await token.get() == "token 1"
            await asyncio.sleep(0.002)
        assert source.fetches == 2  # it is not asked again within some seconds
        now[0] += 50
        with pytest.raises(Unsigned, match="nobody is there"):
            await token.get()
        with pytest.raises(Unsigned, match="nobody is there"):
            await token.get()
        assert source.fetches == 3
        source.fails = False
        now[0] += fresh.PAUSE_S
        assert await token.get() == "token 4"

    asyncio.run(run())


def test_a_call_that_is_cancelled_takes_nobody_elses_token_away() -> None:
    async def run() -> None:
        source = Source()
        token = Fresh(source.fetch)
        first, second = asyncio.create_task(token.get()), asyncio.create_task(token.get())
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "token 1"
        assert source.fetches == 1

    asyncio.run(run())
