import asyncio

import pytest

from functions.health import details, liveliness, readiness, routes
from functions.ports.context import OperationsContext
from runtime.catalog import entries, paths_of
from schema.errors import Overloaded
from schema.health import VERSION, ProbeQuery, Readiness
from tests.fakes.ports import ABSENT

PATHS = paths_of(entries(["keys"]))


class FakeProbe:
    def __init__(self, found: Readiness | Overloaded) -> None:
        self.found = found

    async def check(self) -> Readiness:
        if isinstance(self.found, Overloaded):
            raise self.found
        return self.found


def operations(probe: FakeProbe) -> OperationsContext:
    return OperationsContext(readiness=probe, metrics=ABSENT, alerts=ABSENT, paths=PATHS)


def test_a_process_that_can_serve_nothing_is_alive_and_not_ready() -> None:
    context = operations(FakeProbe(Overloaded("The journal is full.")))
    assert asyncio.run(liveliness(ProbeQuery(), context)) == "I'm alive!"
    with pytest.raises(Overloaded):
        asyncio.run(readiness(ProbeQuery(), context))


def test_readiness_says_what_calls_depend_on() -> None:
    degraded = Readiness(status="degraded", db="not connected", ledger_rows_waiting=7)
    assert asyncio.run(readiness(ProbeQuery(), operations(FakeProbe(degraded)))) == degraded


def test_a_caller_with_a_key_learns_the_version_too() -> None:
    degraded = Readiness(status="degraded", db="not connected", ledger_rows_waiting=7)
    found = asyncio.run(details(ProbeQuery(), operations(FakeProbe(degraded))))
    assert (found.status, found.db, found.ledger_rows_waiting) == ("degraded", "not connected", 7)
    assert (found.litellm_version, found.cache, found.success_callbacks) == (VERSION, None, [])
    with pytest.raises(Overloaded):
        asyncio.run(details(ProbeQuery(), operations(FakeProbe(Overloaded("full")))))


def test_the_paths_are_those_that_are_served() -> None:
    listed = asyncio.run(routes(ProbeQuery(), operations(FakeProbe(degraded_nowhere()))))
    found = {row.path: row for row in listed.routes}
    assert found["/key/generate"].methods == ["POST"]
    assert found["/key/info"].name == "keys.info"
    assert found["/health/liveness"].methods == ["GET"], "an alias is a path too"
    assert "/team/new" not in found, "--functions left it out"


def degraded_nowhere() -> Readiness:
    return Readiness(status="healthy", db="connected")
