"""Open pages are told what they may see, once for all of them, and cost nothing that grows."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from functions.contract.call import Call, Caller
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN, Access, Scope
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.sse import PING
from runtime.ledger.spend_row import Attempt
from runtime.live import hub as hubs
from runtime.live.hub import LiveHub
from runtime.live.stream import MAX_WAITING, LiveStream
from schema.errors.callers import SignInFailed
from schema.errors.overload import Overloaded
from schema.live import PagesOpen, booked_news, read_news
from tests.functions.contexts import make_call

ADMIN = Caller(role=PROXY_ADMIN, key_hash="0" * 64, user_id="root")
ADA = Caller(role=INTERNAL_USER, key_hash="a" * 64, key_alias="laptop", user_id="ada", team_id="red")
BOB = Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="bob")
TIM = Caller(role=INTERNAL_USER, key_hash="c" * 64, user_id="tim", teams={"red": "admin"})
TARGET = Target(
    model_id="d1", public_name="gpt", provider="openai", dialect=Dialect.OPENAI, model="gpt-4", api_base=""
)


class Network:
    """Hubs that hear each other, and a clock that a test turns."""

    def __init__(self, workers: int = 1) -> None:
        self.now = 1_000.0
        self.sent: list[str] = []
        self.places = itertools.count(1)
        self.calls: list[dict[int, Attempt]] = [{} for _ in range(workers)]
        self.hubs = [
            LiveHub(self.announce, calls, lambda: self.now, worker=f"w{number}")
            for number, calls in enumerate(self.calls)
        ]

    async def announce(self, payloads: Sequence[str]) -> None:
        self.sent += payloads
        for payload in payloads:
            for hub in self.hubs:
                hub.heard(payload)

    async def turn(self, seconds: float = 1.0) -> None:
        """Every hub looks at what is due, and looks again at what that has brought."""
        self.now += seconds
        for _ in range(2):
            for hub in self.hubs:
                await hub.turn()

    def begin(self, caller: Caller, request_id: str, worker: int = 0, number: int = 1) -> int:
        call = make_call(caller, request_id=request_id, received_at=datetime(2026, 11, 30, tzinfo=UTC))
        attempt = Attempt(call=call, target=TARGET, streamed=True, began_mono=self.now, number=number)
        self.calls[worker][place := next(self.places)] = attempt
        return place


def page_of(hub: LiveHub, caller: Caller, still: Callable[[], Awaitable[Scope]] | None = None) -> LiveStream:
    scope = caller.scope(Access.SPEND_READ)

    async def same() -> Scope:
        return scope

    call: Call = make_call(caller, scope=scope, still=still or same)
    return hub.open(call)


async def told(page: LiveStream) -> list[tuple[str, Any]]:
    """The events that wait, and whether the stream is over."""
    found: list[tuple[str, Any]] = []
    events = page.events()
    while True:
        task = asyncio.ensure_future(anext(events, None))
        done, _ = await asyncio.wait([task], timeout=0.01)
        if not done:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return found
        event = task.result()
        if event is None:
            return [*found, ("over", None)]
        if event == PING:
            found.append(("ping", None))
            continue
        name, _, data = event.decode().strip().partition("\n")
        found.append((name.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))))


def ids(events: list[tuple[str, Any]]) -> list[str]:
    """The calls of the last event that lists calls."""
    listed = [data["calls"] for name, data in events if name == "calls"]
    return [call["request_id"] for call in listed[-1]]


def test_two_attempts_of_a_call_are_both_told_and_the_end_of_one_leaves_the_other() -> None:
    async def scenario() -> None:
        network = Network(workers=2)
        page = page_of(network.hubs[0], ADA)
        first = network.begin(ADA, "of-ada", worker=1)
        network.begin(ADA, "of-ada", worker=1, number=2)
        await network.turn()
        listed = [data for name, data in await told(page) if name == "calls"][-1]["calls"]
        assert [(each["request_id"], each["attempt"]) for each in listed] == [("of-ada", 1), ("of-ada", 2)]
        del network.calls[1][first]
        await network.turn()
        listed = [data for name, data in await told(page) if name == "calls"][-1]["calls"]
        assert [(each["request_id"], each["attempt"]) for each in listed] == [("of-ada", 2)]
        page.close()

    asyncio.run(scenario())


def test_calls_in_flight_are_told_over_all_workers_to_who_may_see_them() -> None:
    async def scenario() -> None:
        network = Network(workers=2)
        pages = {each.user_id: page_of(network.hubs[0], each) for each in (ADMIN, ADA, BOB, TIM)}
        network.begin(ADA, "of-ada", worker=1)
        network.begin(BOB, "of-bob", worker=0)
        await network.turn()
        found = {name: await told(page) for name, page in pages.items()}
        assert {name: ids(events) for name, events in found.items()} == {
            "root": ["of-bob", "of-ada"],
            "ada": ["of-ada"],
            "bob": ["of-bob"],
            "tim": ["of-ada"],
        }
        (seen,) = found["ada"][-1][1]["calls"]
        assert (seen["model"], seen["key_alias"], seen["streamed"]) == ("gpt", "laptop", True)
        network.calls[1].clear()
        await network.turn()
        assert ids(await told(pages["ada"])) == []

    asyncio.run(scenario())


def test_booked_rows_are_told_to_who_may_see_them() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        pages = {each.user_id: page_of(hub, each) for each in (ADMIN, ADA, BOB, TIM)}
        owners = [("ada", "a" * 64, "red", "", 3), ("eve", "e" * 64, "", "", 4)]
        await network.announce(booked_news(owners, most=4))
        rows = {
            name: [data["rows"] for event, data in await told(page) if event == "rows"]
            for name, page in pages.items()
        }
        assert rows == {"root": [7], "ada": [3], "bob": [], "tim": [3]}

    asyncio.run(scenario())


def test_a_page_that_is_slow_loses_events_and_is_told_to_reload() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        page = page_of(hub, ADMIN)
        payloads = booked_news([("ada", "a" * 64, "", "", 1)], most=1)
        for _ in range(MAX_WAITING * 3):
            await network.announce(payloads)
        waiting = await told(page)
        assert len(waiting) <= MAX_WAITING
        assert waiting[0] == ("reload", {})

    asyncio.run(scenario())


def test_a_page_that_leaves_is_forgotten_and_a_hub_without_pages_says_nothing() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        page = page_of(hub, ADMIN)
        await network.turn()
        assert isinstance(read_news(network.sent[0]), PagesOpen)
        page.close()
        page.close()
        assert not hub.pages
        await network.turn(hubs.WATCHED_S + 1)
        network.sent.clear()
        network.begin(ADA, "unseen")
        await network.turn()
        assert network.sent == []

    asyncio.run(scenario())


def test_an_idle_hub_with_pages_announces_once_in_twenty_seconds() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        for _ in range(100):
            page_of(hub, ADMIN)
        for _ in range(60):
            await network.turn()
        watching = [text for text in network.sent if isinstance(read_news(text), PagesOpen)]
        assert len(watching) == 3
        assert len(network.sent) == 6  # each time it tells that it has no calls

    asyncio.run(scenario())


def test_who_may_no_longer_see_it_is_told_so_and_the_stream_is_over() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs

        async def over() -> Scope:
            raise SignInFailed("this session is over")

        async def narrowed() -> Scope:
            return ADA.scope(Access.SPEND_READ)

        ended, changed, stays = page_of(hub, ADMIN, over), page_of(hub, ADMIN, narrowed), page_of(hub, ADMIN)
        for page in (ended, changed, stays):
            await told(page)
        hub.changed("user:root")
        await network.turn()
        found = await told(ended)
        assert [name for name, _ in found] == ["ended", "over"]
        assert "session is over" in found[0][1]["error"]["message"]
        assert await told(changed) == [("over", None)]
        assert ("over", None) not in await told(stays)

    asyncio.run(scenario())


def test_a_session_that_runs_out_by_time_ends_the_stream_at_the_next_ping() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        is_over = False

        async def until_over() -> Scope:
            if is_over:
                raise SignInFailed("this session is over")
            return ADMIN.scope(Access.SPEND_READ)

        page = page_of(hub, ADMIN, until_over)
        await network.turn(hubs.PING_S)
        assert [name for name, _ in await told(page)][-1] == "ping"
        is_over = True
        await network.turn(hubs.PING_S)
        assert next(name for name, _ in await told(page)) == "ended"

    asyncio.run(scenario())


def test_a_worker_that_is_gone_is_forgotten_with_its_calls() -> None:
    async def scenario() -> None:
        network = Network(workers=2)
        page = page_of(network.hubs[0], ADMIN)
        network.begin(ADA, "lost", worker=1)
        await network.turn()
        assert ids(await told(page)) == ["lost"]
        del network.hubs[1]
        await network.turn(hubs.FORGET_S + 1)
        assert network.hubs[0].calls(ADMIN.scope(Access.SPEND_READ)).calls == []

    asyncio.run(scenario())


def test_missed_announcements_make_pages_reload() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        page = page_of(hub, ADA)
        hub.missed()
        assert (await told(page))[-1] == ("reload", {})

    asyncio.run(scenario())


def test_a_worker_that_stops_ends_its_streams_and_opens_no_more() -> None:
    async def scenario() -> None:
        network = Network()
        (hub,) = network.hubs
        page = page_of(hub, ADA)
        hub.stop()
        assert (await told(page))[-1] == ("over", None)
        with pytest.raises(Overloaded, match="stopping"):
            page_of(hub, ADA)

    asyncio.run(scenario())


def test_pages_are_bounded_in_all_and_for_each_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_OF_ONE", 2)
    monkeypatch.setattr(hubs, "MAX_PAGES", 3)

    async def scenario() -> None:
        (hub,) = Network().hubs
        page_of(hub, ADA)
        page_of(hub, ADA)
        with pytest.raises(Overloaded, match="2 of them yours"):
            page_of(hub, ADA)
        page_of(hub, BOB)
        with pytest.raises(Overloaded, match="3 are open here"):
            page_of(hub, TIM)

    asyncio.run(scenario())
