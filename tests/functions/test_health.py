import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from functions.health import (
    deployments,
    details,
    history,
    latest,
    liveliness,
    provider_budgets,
    readiness,
    routes,
)
from functions.ports.context import OperationsContext
from runtime.catalog import entries, paths_of
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.health import (
    VERSION,
    CheckRecord,
    HealthQuery,
    HealthReport,
    HistoryQuery,
    LatestQuery,
    ProbeQuery,
    ProviderBudget,
    Readiness,
    ReadinessDetails,
)
from tests.fakes.deployments import FakeDeployments
from tests.fakes.ports import ABSENT

PATHS = paths_of(entries(["keys"]))


class FakeProbe:
    def __init__(self, found: ReadinessDetails | Overloaded) -> None:
        self.found = found

    async def check(self) -> ReadinessDetails:
        if isinstance(self.found, Overloaded):
            raise self.found
        return self.found


def operations(probe: FakeProbe) -> OperationsContext:
    return OperationsContext(deployments=ABSENT, readiness=probe, metrics=ABSENT, alerts=ABSENT, paths=PATHS)


def test_a_process_that_can_serve_nothing_is_alive_and_not_ready() -> None:
    context = operations(FakeProbe(Overloaded("The journal is full.")))
    assert asyncio.run(liveliness(ProbeQuery(), context)) == "I'm alive!"
    with pytest.raises(Overloaded):
        asyncio.run(readiness(ProbeQuery(), context))


def test_readiness_says_what_calls_depend_on() -> None:
    degraded = ReadinessDetails(status="degraded", db="not connected", ledger_rows_waiting=7)
    told = Readiness(status="degraded", db="not connected", ledger_rows_waiting=7)
    assert asyncio.run(readiness(ProbeQuery(), operations(FakeProbe(degraded)))) == told


def test_a_caller_with_a_key_learns_the_version_too() -> None:
    degraded = ReadinessDetails(status="degraded", db="not connected", ledger_rows_waiting=7)
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


def degraded_nowhere() -> ReadinessDetails:
    return ReadinessDetails(status="healthy", db="connected")


CHECKED_AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def record(name: str, status: str) -> CheckRecord:
    return CheckRecord(
        health_check_id=f"check-{name}",
        model_name=name,
        model_id=f"{name}-1",
        status=status,
        healthy_count=int(status == "healthy"),
        unhealthy_count=int(status == "unhealthy"),
        error_message=None,
        response_time_ms=12.5,
        checked_by="on_demand_health_check",
        checked_at=CHECKED_AT,
    )


def watched(deployments_: FakeDeployments) -> OperationsContext:
    return OperationsContext(
        deployments=deployments_, readiness=ABSENT, metrics=ABSENT, alerts=ABSENT, paths=()
    )


def test_health_is_told_for_a_model_and_an_unknown_one_is_404() -> None:
    report = HealthReport(healthy_endpoints=[], unhealthy_endpoints=[], healthy_count=0, unhealthy_count=0)
    context = watched(FakeDeployments(reported={"gpt": report}))
    assert asyncio.run(deployments(HealthQuery(model="gpt"), context)) == report
    with pytest.raises(NotFound, match="No deployment is called 'gpt-9'"):
        asyncio.run(deployments(HealthQuery(model="gpt-9"), context))


def test_the_history_is_filtered_and_paged() -> None:
    checks = [record("gpt", "healthy"), record("gpt", "unhealthy"), record("claude", "healthy")]
    context = watched(FakeDeployments(checks=checks))
    found = asyncio.run(history(HistoryQuery(model="gpt", status_filter="healthy"), context))
    assert (found.total_records, [each.model_name for each in found.health_checks]) == (1, ["gpt"])
    paged = asyncio.run(history(HistoryQuery(limit=1, offset=1), context))
    assert [each.status for each in paged.health_checks] == ["unhealthy"]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 10**9}, {"offset": -1}, {"offset": 10**12}, {"status_filter": "odd"}]
)
def test_a_query_that_asks_for_too_much_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        asyncio.run(history(HistoryQuery(**query), watched(FakeDeployments())))


def test_the_latest_checks_stand_by_deployment() -> None:
    found = asyncio.run(latest(LatestQuery(), watched(FakeDeployments(checks=[record("gpt", "healthy")]))))
    assert list(found.latest_health_checks) == ["gpt-1"]
    assert found.total_models == 1


def test_budgets_of_providers_are_dollars() -> None:
    budget = ProviderBudget(
        budget_limit=Decimal(50), time_period="1d", spend=Decimal("1.5"), budget_reset_at=None
    )
    context = watched(FakeDeployments(budgets={"openai": budget}))
    found = asyncio.run(provider_budgets(LatestQuery(), context))
    assert found.providers["openai"].spend == Decimal("1.5")
