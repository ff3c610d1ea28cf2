"""What routing, residency and the live registry do, in figures: real gateways, a real Postgres, loopback.

    python -m tests.long.routing_figures                    every figure: about eight minutes
    python -m tests.long.routing_figures kill fairness      those alone

It prints a table for each, and what is not as it should be. The exit status is 0 where nothing is.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec
from hypothesis import settings
from structlog.testing import capture_logs

from models_registry.routing.choice import CallTraits, Shape, View
from models_registry.routing.fleet import Fleet
from models_registry.routing.route import Route
from runtime.blueprint import check
from schema.route_options import AS_CONFIGURED
from tests.e2e.gateway import Gateway, query, until
from tests.e2e.test_upstream_kill import deployment, provider
from tests.functions import test_local_only
from tests.long import hot_deployment
from tests.long.clients import Clients, Slow, gateway, longest, middle

CANDIDATES = (1, 5, 50)
STRATEGIES = ("simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2")
SLOTS = 3
"""How many calls the deployment of the queue's figures takes at once."""
HOT_SLOTS, HOT_CLIENTS = 20, 60
LAST_ATTEMPT = """
    SELECT extract(epoch FROM max("startTime" AT TIME ZONE 'UTC'))::float8 AS at, count(*) AS n
    FROM "LiteLLM_SpendLogs" WHERE model_id = 'doomed' AND outcome <> 'ok'
"""
LOADED = 'SELECT models, extract(epoch FROM loaded_at)::float8 AS at FROM "Switchgear_HostConfig"'
WAITING = """
    SELECT extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS longest_s, count(*) AS n
    FROM pg_locks WHERE NOT granted
"""


class Figures(NamedTuple):
    """One table: its rows, what is not as it should be, and its head where it has more columns than two."""

    rows: Sequence[Sequence[str]]
    faults: Sequence[str] = ()
    head: Sequence[str] = ()


def kill(seconds: float = 10.0) -> Figures:
    """One of two providers is killed under load, by SIGKILL."""
    killed = 0.0

    async def load(clients: Clients, key: str, doomed: int) -> None:
        nonlocal killed
        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(clients.run("all", key))
            await asyncio.sleep(seconds / 2)
            killed = time.time()
            os.kill(doomed, signal.SIGKILL)
            await asyncio.sleep(seconds / 2)
            clients.over = True

    with provider() as (doomed, first), provider() as (_, second):
        models = [deployment("doomed", first), deployment("stays", second)]
        with gateway({"model_list": models, "router_settings": {"cooldown_time": 600}}, 2) as (served, _):
            clients = Clients(served)
            asyncio.run(load(clients, served.virtual_key("load"), doomed))
            until(lambda: asyncio.run(query(served.dsn, LAST_ATTEMPT))[0]["n"] > 0, what="a failed attempt")
            (last,) = asyncio.run(query(served.dsn, LAST_ATTEMPT))
    failed = [each for each in clients.asked if each.status != 200]
    before = [each.took_ms for each in clients.asked if each.ended < killed]
    during = [each.took_ms for each in clients.asked if each.ended >= killed and each.began < killed + 1]
    after = [each.took_ms for each in clients.asked if each.began >= killed + 1]
    rows = [
        ("calls, and those of them that failed", f"{len(clients.asked)}, {len(failed)}"),
        ("attempts that failed, each answered by the other provider", str(last["n"])),
        ("from the kill to the last attempt at the dead provider", f"{(last['at'] - killed) * 1000:.0f} ms"),
        (
            "a call before the kill: the median, the longest",
            f"{middle(before):.0f}, {longest(before):.0f} ms",
        ),
        ("within a second of the kill", f"{middle(during):.0f}, {longest(during):.0f} ms"),
        ("afterwards", f"{middle(after):.0f}, {longest(after):.0f} ms"),
    ]
    return Figures(rows, [f"{len(failed)} calls failed"] if failed else [])


def fairness(seconds: float = 40.0) -> Figures:
    """Three teams before a deployment with three slots: two that flood, and one that asks now and then."""

    async def load(clients: Clients, keys: Mapping[str, str]) -> None:
        async with asyncio.TaskGroup() as group:
            for who, many in (("flood", 60), ("crowd", 12)):
                for _ in range(many):
                    group.create_task(clients.run(who, keys[who]))
            group.create_task(clients.run("seldom", keys["seldom"], pause_s=2.0))
            await asyncio.sleep(seconds)
            clients.over = True

    upstream = Slow(0.2)
    with upstream.in_thread():
        slow = deployment("slow", f"{upstream.url}/v1")
        slow["litellm_params"]["max_parallel_requests"] = SLOTS
        with gateway({"model_list": [slow]}, 4) as (served, _):
            keys = {}
            for who in ("flood", "crowd", "seldom"):
                assert served.post("/team/new", team_id=who).status_code == 200
                keys[who] = served.virtual_key(who, team_id=who)
            clients = Clients(served)
            asyncio.run(load(clients, keys))
    answered = {who: clients.of(who) for who in keys}
    floods = len(answered["flood"]) + len(answered["crowd"])
    refused = Counter(each.who for each in clients.asked if each.status == 429)
    statuses = Counter(each.status for each in clients.asked)
    rows = [
        (
            f"{who}, {words}: answered, refused, the median and the longest call",
            f"{len(answered[who])}, {refused[who]}, {middle(answered[who]):.0f} and "
            f"{longest(answered[who]):.0f} ms",
        )
        for who, words in (
            ("flood", "60 clients"),
            ("crowd", "12 clients"),
            ("seldom", "one client, 2 s after each answer"),
        )
    ]
    rows += [
        (
            "the flood's share of what the two that flood were answered",
            f"{len(answered['flood']) / floods:.0%}",
        ),
        ("most calls at once at the provider", f"{upstream.most_at_once} of {SLOTS}"),
    ]
    faults = [f"{refused['seldom']} calls of `seldom` were refused"] if refused["seldom"] else []
    if upstream.most_at_once > SLOTS:
        faults.append(f"{upstream.most_at_once} calls at once at {SLOTS} slots")
    if not answered["seldom"] or longest(answered["seldom"]) > middle(answered["flood"]):
        faults.append("`seldom` waited as long as the flood")
    if set(statuses) - {200, 429}:
        faults.append(f"statuses: {dict(statuses)}")
    return Figures(rows, faults)


def residency(examples: int = 2_000, seconds: float = 10.0) -> Figures:
    """Calls that stay local, with deployments in the cloud beside local ones that fail. The providers of the
    second part stand on sockets of this machine: what the cloud's hears is counted."""
    tried = Counter[str]()
    law = test_local_only.test_no_byte_leaves_for_a_deployment_that_is_not_local
    inner = law.hypothesis.inner_test  # type: ignore[attr-defined]  # hypothesis' own

    def counted(**drawn: Any) -> None:  # hypothesis draws values of any type
        tried["examples"] += 1
        inner(**drawn)

    law.hypothesis.inner_test = counted  # type: ignore[attr-defined]
    try:
        with capture_logs():
            settings(max_examples=examples)(law)()  # raises at the first counter-example
    finally:
        law.hypothesis.inner_test = inner  # type: ignore[attr-defined]

    async def load(clients: Clients, callers: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
        async with asyncio.TaskGroup() as group:
            for who, (key, headers) in callers.items():
                for _ in range(2):
                    group.create_task(clients.run(who, key, headers=headers))
            await asyncio.sleep(seconds)
            clients.over = True

    with Slow(0.0, breaks=2).in_thread() as house, Slow(0.0).in_thread() as cloud:
        models = [deployment(f"house-{n}", f"{house.url}/v1") for n in range(2)]
        for each in models:
            each["litellm_params"]["residency"] = "local"
        models += [deployment("cloud", f"{cloud.url}/v1")]
        models += [deployment("other", f"{cloud.url}/v1") | {"model_name": "other"}]
        router = {"fallbacks": [{"m": ["other"]}], "num_retries": 1, "cooldown_time": 1}
        with gateway({"model_list": models, "router_settings": router}, 2) as (served, _):
            assert served.post("/team/new", team_id="ward", local_only=True).status_code == 200
            free = served.virtual_key("free")
            local = {
                "team": (served.virtual_key("team", team_id="ward"), {}),
                "key": (served.virtual_key("key", local_only=True), {}),
                "request": (free, {"x-switchgear-local-only": "true"}),
            }
            clients = Clients(served)
            asyncio.run(load(clients, local))
            left = len(cloud.requests)
            control = Clients(served)
            asyncio.run(load(control, {"free": (free, {})}))
            reached = len(cloud.requests) - left
    ended = Counter(each.status for each in clients.asked)
    rows = [
        ("configs, fallbacks and failures drawn by chance; counter-examples", f"{tried['examples']}, 0"),
        (
            "local calls of a team, a key and a header, two local hosts failing every second call",
            f"{ended.total()}",
        ),
        (
            "of these answered by a local host; ended with its error",
            f"{ended[200]}; {ended.total() - ended[200]}",
        ),
        ("requests that the cloud's socket got of them", str(left)),
        ("the same calls without the rule: calls, requests to the cloud", f"{len(control.asked)}, {reached}"),
    ]
    faults = [f"{left} requests left the house"] if left else []
    if not reached:
        faults.append("the control calls did not reach the cloud either")
    return Figures(rows, faults)


def registry(rounds: int = 8) -> Figures:
    """Changes by the API and of the file, at four workers under load. The time ends when the last of the
    four has the change in force."""
    workers = 4
    by_api: list[float] = []
    by_file: list[float] = []
    answers: list[float] = []

    def in_force(served: Gateway, models: int, since: float) -> float:
        """When the last worker had so many models."""
        found: list[Any] = []

        def all_have() -> bool:
            found[:] = asyncio.run(query(served.dsn, LOADED))
            return [row["models"] for row in found] == [models] * workers

        until(all_have, what=f"{models} models at {workers} workers", pause_s=0.1)
        last: float = max(row["at"] for row in found)
        return (last - since) * 1000

    async def changes(
        served: Gateway, folder: Path, clients: Clients, key: str, entry: dict[str, Any]
    ) -> None:
        config = {"model_list": [entry]}

        def change() -> None:
            (path,) = folder.glob("config-*.yaml")
            for number in range(rounds):
                began = time.time()
                more = deployment(f"more-{number}", entry["litellm_params"]["api_base"])
                assert served.post("/model/new", **more | {"model_name": f"more-{number}"}).status_code == 200
                answers.append((time.time() - began) * 1000)
                by_api.append(in_force(served, len(config["model_list"]) + number + 1, began))
                config["model_list"].append(more | {"model_name": f"file-{number}", "model_info": {}})
                path.write_bytes(msgspec.json.encode(config))
                by_file.append(in_force(served, len(config["model_list"]) + number + 1, time.time()))

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(clients.run("all", key, pause_s=0.05))
            try:
                await asyncio.to_thread(change)
            finally:
                clients.over = True

    with Slow(0.0).in_thread() as upstream:
        entry = deployment("steady", f"{upstream.url}/v1")
        with gateway({"model_list": [entry]}, workers) as (served, folder):
            clients = Clients(served)
            asyncio.run(changes(served, folder, clients, served.virtual_key("load"), entry))
    failed = sum(each.status != 200 for each in clients.asked)
    rows = [
        (
            "`POST /model/new`: its answer, the median and the longest",
            f"{middle(answers):.0f}, {longest(answers):.0f} ms",
        ),
        ("the same in force at all four workers", f"{middle(by_api):.0f}, {longest(by_api):.0f} ms"),
        ("a change of the file in force at all four", f"{middle(by_file):.0f}, {longest(by_file):.0f} ms"),
        ("calls meanwhile, and those that failed", f"{len(clients.asked)}, {failed}"),
    ]
    return Figures(rows, [f"{failed} calls failed"] if failed else [])


def planning(times: int = 2_000) -> Figures:
    """What it costs to choose the first deployment, in this process: the least of seven rounds."""
    rows = []
    for strategy in STRATEGIES:
        cells = [f"{_planned_us(strategy, many, times):.1f}" for many in CANDIDATES]
        rows.append(
            (f"`{strategy}`, of {', '.join(map(str, CANDIDATES))} deployments", ", ".join(cells) + " µs")
        )
    return Figures(rows)


def _planned_us(strategy: str, candidates: int, times: int) -> float:
    entries = [deployment(str(n), f"http://{n}.test/v1") for n in range(candidates)]
    checked = check({"model_list": entries, "router_settings": {"routing_strategy": strategy}}, {})
    fleet, traits = Fleet(checked.routing.cooldowns), CallTraits(shape=Shape(streamed=False))
    least = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        for number in range(times):
            Route(
                checked.registry,
                checked.routing,
                "m",
                allowed=(),
                options=AS_CONFIGURED,
                roll=number / times,
                see=lambda: View(checked.routing.choice, traits, fleet, 0.0),
            )
        least = min(least, time.perf_counter() - began)
    return least / times * 1e6


def slots(seconds: float = 15.0) -> Figures:
    """A deployment whose slots all callers of four workers share: who waits for whom in Postgres."""
    samples = waited = most = 0
    longest_s = 0.0

    async def watch(dsn: str, clients: Clients) -> None:
        """In a thread and a loop of its own: the clients keep theirs busy."""
        nonlocal samples, waited, most, longest_s
        connection = await asyncpg.connect(dsn)
        try:
            while not clients.over:
                row = await connection.fetchrow(WAITING)
                samples += 1
                waited += row["n"] > 0
                most = max(most, row["n"])
                longest_s = max(longest_s, row["longest_s"] or 0.0)
                await asyncio.sleep(0.005)
        finally:
            await connection.close()

    async def load(served: Gateway, keys: Sequence[str], model: str) -> Clients:
        clients = Clients(served)
        async with asyncio.TaskGroup() as group:
            for number in range(HOT_CLIENTS):
                group.create_task(clients.run("all", keys[number % len(keys)], model=model))
            if model == "m":
                group.create_task(asyncio.to_thread(lambda: asyncio.run(watch(served.dsn, clients))))
            await asyncio.sleep(seconds)
            clients.over = True
        return clients

    upstream = Slow(0.1)
    with upstream.in_thread():
        hot = deployment("hot", f"{upstream.url}/v1")
        hot["litellm_params"]["max_parallel_requests"] = HOT_SLOTS
        free = deployment("free", f"{upstream.url}/v1") | {"model_name": "free"}
        with gateway({"model_list": [hot, free]}, 4) as (served, _):
            keys = [served.virtual_key(f"caller-{number}") for number in range(8)]
            clients = asyncio.run(load(served, keys, "m"))
            most_there = upstream.most_at_once
            without = asyncio.run(load(served, keys, "free")).of("all")
    ended = Counter(each.status for each in clients.asked)
    took = clients.of("all")
    rows = [
        (
            f"{HOT_CLIENTS} clients, 8 keys, 4 workers, {HOT_SLOTS} slots, answers after 100 ms: answered",
            f"{ended[200]}",
        ),
        (
            "a second; where the deployment has no limit",
            f"{ended[200] / seconds:.0f}; {len(without) / seconds:.0f}",
        ),
        ("a call: the median, the longest", f"{middle(took):.0f}, {longest(took):.0f} ms"),
        ("most calls at once at the provider", f"{most_there} of {HOT_SLOTS}"),
        ("looks at Postgres' locks; those that saw somebody wait", f"{samples}; {waited}"),
        ("most that waited at once; the longest wait that was seen", f"{most}; {longest_s * 1000:.1f} ms"),
    ]
    faults = []
    if most_there > HOT_SLOTS:
        faults.append(f"{most_there} calls at once at {HOT_SLOTS} slots")
    if set(ended) != {200}:
        faults.append(f"statuses: {dict(ended)}")
    return Figures(rows, faults)


def hot(seconds: float = 8.0, limits: Sequence[str] = tuple(hot_deployment.LIMITS)) -> Figures:
    """What the limits of a deployment cost that all callers share."""
    found = hot_deployment.measure(limits, seconds)
    faults = [fault for each in found for fault in each.faults()]
    return Figures([each.cells() for each in found], faults, hot_deployment.HEAD)


MEASURES: Mapping[str, Callable[[], Figures]] = {
    "kill": kill,
    "fairness": fairness,
    "residency": residency,
    "registry": registry,
    "planning": planning,
    "slots": slots,
    "hot": hot,
}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.long.routing_figures", allow_abbrev=False)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, []], metavar="|".join(MEASURES))
    wrong = False
    for name in parser.parse_args(argv).names or MEASURES:
        found = MEASURES[name]()
        head = found.head or (name, "")
        rows = (head, ["---"] * len(head), *found.rows)
        lines = [f"| {' | '.join(cells)} |" for cells in rows]
        sys.stdout.write("\n".join([*lines, *(f"fault: {each}" for each in found.faults), "", ""]))
        sys.stdout.flush()
        wrong = wrong or bool(found.faults)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
