import asyncio

import pytest

from functions.health import liveliness, readiness
from functions.ports.context import OperationsContext
from schema.errors import Overloaded
from schema.health import ProbeQuery, Readiness
from tests.fakes.ports import ABSENT


class FakeProbe:
    def __init__(self, found: Readiness | Overloaded) -> None:
        self.found = found

    async def check(self) -> Readiness:
        if isinstance(self.found, Overloaded):
            raise self.found
        return self.found


def operations(probe: FakeProbe) -> OperationsContext:
    return OperationsContext(readiness=probe, metrics=ABSENT, alerts=ABSENT)


def test_a_process_that_can_serve_nothing_is_alive_and_not_ready() -> None:
    context = operations(FakeProbe(Overloaded("The journal is full.")))
    assert asyncio.run(liveliness(ProbeQuery(), context)) == "I'm alive!"
    with pytest.raises(Overloaded):
        asyncio.run(readiness(ProbeQuery(), context))


def test_readiness_says_what_calls_depend_on() -> None:
    degraded = Readiness(status="degraded", db="not connected", ledger_rows_waiting=7)
    assert asyncio.run(readiness(ProbeQuery(), operations(FakeProbe(degraded)))) == degraded
