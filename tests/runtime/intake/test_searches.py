"""Each caller has two searches at once, a few wait, and more are refused."""

import asyncio

import pytest

from runtime.intake.searches import AT_ONCE, MOST_WAITING, Searches, Turn
from schema.errors.limits import RateLimited


def test_two_run_eight_wait_and_the_rest_is_refused_while_others_go_on() -> None:
    async def run() -> None:
        searches = Searches()
        turns = [searches.turn("ada") for _ in range(40)]
        tasks = [asyncio.create_task(turn.begin()) for turn in turns]
        await asyncio.sleep(0)
        running, waiting = tasks[:AT_ONCE], tasks[AT_ONCE : AT_ONCE + MOST_WAITING]
        refused = tasks[AT_ONCE + MOST_WAITING :]
        assert all(task.done() for task in running)
        assert not any(task.done() for task in waiting)
        assert [type(task.exception()) for task in refused] == [RateLimited] * 30
        async with asyncio.timeout(1):
            await searches.turn("bob").begin()
        for turn in turns:
            turn.end()
            turn.end()
            await asyncio.sleep(0)
        assert all(task.done() for task in waiting)
        await asyncio.sleep(0)
        for turn in turns:
            turn.end()
        assert set(searches._queues) == {"bob"}

    asyncio.run(run())


@pytest.mark.parametrize("how", ["it takes too long", "the client leaves"])
def test_who_waited_in_vain_takes_nobodys_place(how: str) -> None:
    async def run() -> None:
        searches = Searches(wait_s=0.01)
        held = [searches.turn("ada") for _ in range(AT_ONCE)]
        for turn in held:
            await turn.begin()
        third: Turn = searches.turn("ada")
        if how == "it takes too long":
            with pytest.raises(RateLimited, match="took over"):
                await third.begin()
        else:
            task = asyncio.create_task(third.begin())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        third.end()
        for turn in held:
            turn.end()
        assert searches._queues == {}

    asyncio.run(run())
