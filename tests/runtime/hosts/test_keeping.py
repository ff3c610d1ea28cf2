"""Which hosts have a model loaded, and what is kept loaded by the schedule."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models_registry.routing.choice import NO_TRAITS, ChoiceRules, View, choose
from models_registry.routing.fleet import Fleet
from runtime.blueprint import check
from runtime.hosts.keeping import HostKeeping
from runtime.hosts.manager import HostManager
from runtime.hosts.pull_way import PullTurns
from runtime.upstream.client import HttpUpstream
from tests.fakes.ports import ABSENT
from tests.fakes.scripted_ollama import ScriptedOllama, scripted_ollama

FILES = {"mistral:latest": 5, "phi3:latest": 5}
MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def kept(
    *hosts: ScriptedOllama,
    scenario: Callable[[HostKeeping, Fleet], Awaitable[None]],
    warm: Any = (),
    at: datetime = MONDAY,
    params: dict[str, Any] | None = None,
) -> Any:
    document = {
        "model_list": [
            {
                "model_name": "mistral-local",
                "litellm_params": {"model": "ollama/mistral", "api_base": host.url, **(params or {})},
            }
            for host in hosts
        ],
        "general_settings": {"local_hosts": [{"api_base": hosts[0].url, "keep_warm": list(warm)}]},
    }
    checked = check(document, {})
    assert checked.errors == ()
    targets = checked.registry.everything()

    async def run() -> None:
        upstream = HttpUpstream()
        await upstream.start()
        manager = HostManager(checked.hosts, targets, upstream, ABSENT, PullTurns(Path()))
        fleet = Fleet()
        keeping = HostKeeping(manager, fleet, UTC, clock=lambda: 1_000.0, wall=lambda: at)
        try:
            await scenario(keeping, fleet)
        finally:
            await upstream.close()

    asyncio.run(run())
    return targets


def test_a_call_goes_to_the_host_that_says_it_has_the_model_loaded() -> None:
    with scripted_ollama(dict(FILES)) as first, scripted_ollama(dict(FILES)) as second:
        second.loaded = {"mistral:latest": 4096}
        chosen: list[int] = []

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            await keeping.look()
            targets = list(keeping._manager._targets)
            view = View(ChoiceRules(), NO_TRAITS, fleet, 1_001.0)
            chosen.extend(choose(targets, [0, 1], view, roll) for roll in (0.0, 0.3, 0.6, 0.99))
            second.loaded, first.loaded = {}, {"mistral:latest": 4096}
            fleet.loaded(targets[1], 999.0)
            await keeping.look()
            chosen.extend(choose(targets, [0, 1], view, roll) for roll in (0.0, 0.99))

        kept(first, second, scenario=scenario)
        assert chosen == [1, 1, 1, 1, 0, 0]


def test_a_host_alone_is_not_asked() -> None:
    with scripted_ollama(dict(FILES)) as host:

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            await keeping.look()
            await keeping.warm()

        kept(host, scenario=scenario)
        assert host.asked == []


def test_hosts_are_measured_once_somebody_asks_for_metrics() -> None:
    with scripted_ollama(dict(FILES)) as host:
        host.loaded = {"mistral:latest": 4096}
        found: list[Any] = []

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            keeping.start()
            try:
                assert keeping.gauges == ()
                keeping.wanted()
                async with asyncio.timeout(30):
                    while not keeping.gauges:  # noqa: ASYNC110  (nothing tells of it)
                        await asyncio.sleep(0.01)
                found.extend(keeping.gauges)
            finally:
                await keeping.close()

        kept(host, scenario=scenario)
        (gauge,) = found
        assert (gauge.up, gauge.loaded, gauge.looked_at) == (True, 1, MONDAY.timestamp())
        assert gauge.host.startswith("127.0.0.1:")
        assert set(host.paths()) == {"/api/version", "/api/tags", "/api/ps"}


def test_a_host_that_is_away_is_measured_as_such() -> None:
    with scripted_ollama(dict(FILES)) as host:
        pass
    found: list[Any] = []

    async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
        await keeping.measure()
        found.extend(keeping.gauges)

    kept(host, scenario=scenario)
    assert [(each.up, each.loaded) for each in found] == [(False, 0)]


def test_a_model_is_kept_loaded_by_the_schedule_without_a_prompt() -> None:
    with scripted_ollama(dict(FILES)) as host:

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            await keeping.warm()
            await keeping.warm()

        warm = [{"model": "mistral", "hours": "08:00-18:00", "days": "mon-fri"}]
        kept(host, scenario=scenario, warm=warm, params={"num_ctx": 8192})
        (asked,) = host.said("/api/generate")
        assert asked == {"model": "mistral", "options": {"num_ctx": 8192}, "keep_alive": 300, "stream": False}
        assert host.loaded == {"mistral:latest": 8192}


def test_what_is_loaded_for_a_short_time_more_is_kept_with_the_context_that_it_has() -> None:
    with scripted_ollama(dict(FILES)) as host:
        host.loaded, host.keeps_s = {"mistral:latest": 16384}, 60.0

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            await keeping.warm()

        kept(host, scenario=scenario, warm=["mistral"])
        (asked,) = host.said("/api/generate")
        assert asked["options"] == {"num_ctx": 16384}


def test_outside_of_its_hours_and_where_the_host_is_away_nothing_is_loaded() -> None:
    with scripted_ollama({}) as host:

        async def scenario(keeping: HostKeeping, fleet: Fleet) -> None:
            await keeping.warm()

        kept(host, scenario=scenario, warm=[{"model": "mistral", "hours": "13:00-18:00"}])
        assert host.asked == []
        kept(host, scenario=scenario, warm=["nothing"])
        assert host.loaded == {}
