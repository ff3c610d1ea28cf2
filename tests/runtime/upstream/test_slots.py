"""Calls that wait for a slot: in turn, within bounds, and told when to come again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from functions.contract.call import ProviderSide
from models_registry.routing.choice import Shape
from models_registry.routing.fleet import Fleet
from models_registry.target import Target
from runtime.blueprint import check
from runtime.upstream import slots as module
from runtime.upstream.router import Router
from runtime.upstream.slots import SlotQueues
from schema.errors.base import GatewayError
from schema.errors.limits import BudgetExceeded, DeploymentAtLimit
from tests.functions.contexts import MEMBER, make_call


def config(**router: Any) -> dict[str, Any]:
    entries = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": f"http://{name}.test",
                "api_key": "none",
            },
            "model_info": {"id": name},
        }
        for name in ("m", "n")
    ]
    return {"model_list": entries, "router_settings": router}


class Hall:
    """A model `m` with some slots, and calls of teams to it."""

    def __init__(self, slots: int, **router: Any) -> None:
        checked = check(config(**router), {})
        assert checked.errors == ()
        self.queues = SlotQueues()
        self.router = Router(checked.registry, checked.routing, fleet=Fleet(), slots=self.queues)
        self.free = slots
        self.served: list[str] = []
        self.hold_s = 0.01

    async def call(self, name: str, team: str) -> str:
        caller = msgspec.structs.replace(MEMBER, team_id=team)
        return await self.router.walk(make_call(caller), "m", Visit(self, name))

    def release(self) -> None:
        self.free += 1
        self.queues.freed("m")


class Visit:
    """The attempts of one call. Implements `Attempting`."""

    def __init__(self, hall: Hall, name: str) -> None:
        self._hall = hall
        self._name = name

    async def at(self, target: Target) -> str:
        hall = self._hall
        if target.public_name == "n":
            return "n"
        if not hall.free:
            raise DeploymentAtLimit("full", waits=True)
        hall.free -= 1
        hall.served.append(self._name)
        await asyncio.sleep(hall.hold_s)
        hall.release()
        return "m"

    def end(self, error: GatewayError, *, final: bool) -> None:
        return None

    def shape(self) -> Shape:
        return Shape()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]  # a coroutine function


def test_a_team_that_asks_now_and_then_is_served_next_to_one_that_floods() -> None:
    async def scenario() -> None:
        hall = Hall(1)
        flood = [asyncio.create_task(hall.call(f"flood-{number}", "flood")) for number in range(30)]
        await asyncio.sleep(0.03)
        quiet = asyncio.create_task(hall.call("quiet", "quiet"))
        began = len(hall.served)
        await quiet
        assert hall.served.index("quiet") - began <= 2
        await asyncio.gather(*flood)
        assert len(hall.served) == 31
        assert hall.queues.lines == {}

    run(scenario)


def test_calls_of_one_team_are_served_in_their_order() -> None:
    async def scenario() -> None:
        hall = Hall(1)
        calls = []
        for number in range(10):
            calls.append(asyncio.create_task(hall.call(str(number), "t")))
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
        assert hall.served == [str(number) for number in range(10)]

    run(scenario)


def test_a_full_queue_refuses_with_position_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)

    async def scenario() -> None:
        hall = Hall(1)
        hall.hold_s = 0.1
        calls = [asyncio.create_task(hall.call(str(number), "t")) for number in range(6)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in found if isinstance(each, DeploymentAtLimit)]
        assert len(refused) == 2
        assert refused[0].http_status == 429
        assert refused[0].reply_headers["x-switchgear-queue-position"] == "3"
        assert (refused[0].retry_after_s or 0) >= 1.0

    run(scenario)


def test_a_call_that_waited_too_long_falls_back_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.05)

    async def scenario() -> None:
        stuck = Hall(0)
        with pytest.raises(DeploymentAtLimit):
            await stuck.call("a", "t")
        assert stuck.queues.lines == {}
        spills = Hall(0, fallbacks=[{"m": ["n"]}])
        assert await spills.call("a", "t") == "n"

    run(scenario)


def test_waits_are_told_with_how_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.05)
    told: list[tuple[str, str]] = []

    async def scenario() -> None:
        hall = Hall(1)
        hall.queues.waited = lambda model, took_s, outcome: told.append((model, outcome))
        await asyncio.gather(*(hall.call(str(number), "t") for number in range(2)))
        stuck = Hall(0)
        stuck.queues.waited = hall.queues.waited
        waiting = asyncio.create_task(stuck.call("a", "t"))
        await asyncio.sleep(0.01)
        assert [(line.model, len(line.waiting)) for line in stuck.queues.lines.values()] == [("m", 1)]
        with pytest.raises(DeploymentAtLimit):
            await waiting

    run(scenario)
    assert told == [("m", "got"), ("m", "gave_up")]


def test_a_slot_that_another_worker_frees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRY_S", 0.01)

    async def scenario() -> None:
        hall = Hall(0)
        waiting = asyncio.create_task(hall.call("a", "t"))
        await asyncio.sleep(0.03)
        hall.free = 1  # nobody says so here
        assert await waiting == "m"

    run(scenario)


def test_a_client_that_leaves_leaves_the_queue() -> None:
    async def scenario() -> None:
        hall = Hall(0)
        waiting = asyncio.create_task(hall.call("a", "t"))
        await asyncio.sleep(0.01)
        assert set(hall.queues.lines) == {"m"}
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert hall.queues.lines == {}

    run(scenario)


class Hosts:
    """Models whose deployments are hosts of their own slots, each for requests with its own tag, and calls to
    them."""

    def __init__(self, slots: dict[str, int], names: dict[str, str] | None = None, **facts: Any) -> None:
        entries = [
            {
                "model_name": (names or {}).get(host, "m"),
                "litellm_params": {
                    "model": f"openai/{'*' if '*' in (names or {}).get(host, '') else host}",
                    "api_base": f"http://{host}.test",
                    "api_key": "none",
                    "tags": [host, "any"],
                },
                "model_info": {"id": host} | facts.get(host, {}),
            }
            for host in slots
        ]
        checked = check({"model_list": entries, "router_settings": {"enable_tag_filtering": True}}, {})
        assert checked.errors == ()
        self.queues = SlotQueues()
        self.router = Router(checked.registry, checked.routing, fleet=Fleet(), slots=self.queues)
        self.free = dict(slots)
        self.served: list[str] = []
        self.without_money: set[str] = set()

    async def call(self, name: str, team: str, tag: str = "any", model: str = "m") -> str:
        caller = msgspec.structs.replace(MEMBER, team_id=team)
        call = make_call(caller, tags=(tag,), provider_side=ProviderSide())
        return await self.router.walk(call, model, HostVisit(self, name))

    def release(self, host: str) -> None:
        self.free[host] += 1
        self.queues.freed(host)


class HostVisit:
    """The attempts of one call. Implements `Attempting`."""

    def __init__(self, hosts: Hosts, name: str) -> None:
        self._hosts = hosts
        self._name = name

    async def at(self, target: Target) -> str:
        hosts, host = self._hosts, target.model_id
        if self._name in hosts.without_money:
            raise BudgetExceeded("no money")
        if not hosts.free[host]:
            raise DeploymentAtLimit("full", waits=True)
        hosts.free[host] -= 1
        hosts.served.append(self._name)
        await asyncio.sleep(0.005)
        hosts.release(host)
        return host

    def end(self, error: GatewayError, *, final: bool) -> None:
        return None

    def shape(self) -> Shape:
        return Shape()


async def settled(hosts: Hosts, waiting: int) -> None:
    """Wait until so many calls wait."""
    for _ in range(1_000):
        if sum(len(line.waiting) for line in hosts.queues.lines.values()) == waiting:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("they do not wait")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried but what was announced as free."""
    monkeypatch.setattr(module, "TRY_S", 60.0)


@pytest.mark.usefixtures("patient")
def test_a_call_that_waits_for_one_host_keeps_nobody_from_another_host() -> None:
    async def scenario() -> None:
        hosts = Hosts({"stuck": 0, "well": 1})
        stuck = [asyncio.create_task(hosts.call(f"stuck-{each}", "red", "stuck")) for each in range(5)]
        await settled(hosts, 5)
        async with asyncio.timeout(5.0):
            assert await hosts.call("blue", "blue", "well") == "well"
            assert await hosts.call("any", "blue") == "well"
            crowd = [hosts.call(f"{team}-{n}", team, "well") for n in range(10) for team in ("red", "blue")]
            assert set(await asyncio.gather(*crowd)) == {"well"}
        assert len(hosts.served) == 22
        hosts.release("stuck")
        async with asyncio.timeout(5.0):
            assert set(await asyncio.gather(*stuck)) == {"stuck"}
        assert hosts.queues.lines == {}
        assert not hosts.queues._wanted

    run(scenario)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("why", ["has no money", "has left"])
def test_a_slot_that_the_next_call_does_not_take_goes_to_the_one_after_it(why: str) -> None:
    async def scenario() -> None:
        hosts = Hosts({"a": 0})
        first = asyncio.create_task(hosts.call("first", "red"))
        await settled(hosts, 1)
        second = asyncio.create_task(hosts.call("second", "blue"))
        await settled(hosts, 2)
        if why == "has no money":
            hosts.without_money.add("first")
        hosts.release("a")
        if why == "has left":
            first.cancel()  # in the moment in which it is its turn
        async with asyncio.timeout(5.0):
            assert await second == "a"
        await asyncio.gather(first, return_exceptions=True)
        assert hosts.served == ["second"]

    run(scenario)


@pytest.mark.usefixtures("patient")
def test_the_names_of_a_wildcard_share_the_slots_of_its_host() -> None:
    async def scenario() -> None:
        hosts = Hosts({"wild": 0}, {"wild": "house/*"})
        calls = [
            asyncio.create_task(hosts.call(str(number), "red", model=f"house/{number}"))
            for number in range(4)
        ]
        await settled(hosts, 4)
        assert len(hosts.queues.lines) == 1
        hosts.release("wild")
        async with asyncio.timeout(5.0):
            assert set(await asyncio.gather(*calls)) == {"wild"}

    run(scenario)


def test_models_of_two_teams_with_one_name_have_two_queues() -> None:
    async def scenario() -> None:
        hosts = Hosts(
            {"red-host": 0, "blue-host": 1},
            **{"red-host": {"team_id": "red"}, "blue-host": {"team_id": "blue"}},
        )
        red = asyncio.create_task(hosts.call("red", "red"))
        await settled(hosts, 1)
        assert await hosts.call("blue", "blue") == "blue-host"
        hosts.release("red-host")
        assert await red == "red-host"

    run(scenario)


def test_one_call_tries_all_hosts_of_which_a_slot_became_free_unheard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TRY_S", 0.01)

    async def scenario() -> None:
        hosts = Hosts({"a": 0, "b": 0, "c": 0})
        call = asyncio.create_task(hosts.call("one", "red"))
        await settled(hosts, 1)
        hosts.free["b"] = 1
        async with asyncio.timeout(5.0):
            assert await call == "b"

    run(scenario)


def test_a_user_with_the_id_of_a_team_takes_no_turns_of_the_team() -> None:
    user = make_call(msgspec.structs.replace(MEMBER, team_id=None, user_id="red"))
    team = make_call(msgspec.structs.replace(MEMBER, team_id="red"))
    assert module.team_of(user) != module.team_of(team)
