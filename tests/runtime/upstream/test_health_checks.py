"""Health checks: how they are made, when, by whom, and what is kept of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from functions.contract.call import Call
from functions.ports.context import ModelContext
from models_registry.config.health_checks import CheckRules
from models_registry.routing.fleet import DeploymentHealth, Fleet
from models_registry.target import Target
from runtime.blueprint import check
from runtime.postgres.database import Database
from runtime.upstream import health_checks as module
from runtime.upstream.checker import CHECKER, Checker, how_of, timeout_of
from runtime.upstream.deployment_reports import DeploymentReports
from runtime.upstream.health_checks import HealthChecks
from schema.errors.upstream import UpstreamUnreachable
from schema.ledger.rows import Outcome
from tests.conftest import execute
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

LIST = Answer(body=b'{"data": []}')
DOWN = Answer(status=500)


def targets(*infos: dict[str, Any], **router: Any) -> tuple[list[Target], Any]:
    """Deployments of the models m0, m1 ..., with these fields of `model_info`."""
    entries = [
        {
            "model_name": f"m{place}",
            "litellm_params": {
                "model": "openai/gpt-4o-mini",
                "api_base": f"http://{place}.test/v1",
                "api_key": "sk-provider-secret",
            },
            "model_info": {"id": f"id-{place}"} | info,
        }
        for place, info in enumerate(infos)
    ]
    checked = check({"model_list": entries, "router_settings": router}, {})
    assert checked.errors == ()
    return checked.registry.everything(), checked.config.router_settings


class Desk:
    """The checks of one worker, over a fake provider."""

    def __init__(
        self, database: Database, upstream: FakeUpstream, found: list[Target], *, interval_s: float = 300.0
    ) -> None:
        self.upstream = upstream
        self.ledger = FakeLedger()
        self.fleet = Fleet()
        self.targets = found

        def context(call: Call) -> ModelContext:
            return model_ctx(upstream, ledger=self.ledger, caller=call.caller, tags=call.tags)

        rules = CheckRules(background=True, interval_s=interval_s)
        self.checks = HealthChecks(
            database, Checker(upstream, context), self.fleet, lambda: self.targets, rules
        )


def at_desks(
    dsn: str,
    scenario: Callable[..., Awaitable[None]],
    *scripts: FakeUpstream,
    found: list[Target],
    interval_s: float = 300.0,
) -> None:
    async def run() -> None:
        database = await Database.connect(dsn)
        desks = [Desk(database, upstream, found, interval_s=interval_s) for upstream in scripts]
        try:
            await scenario(*desks)
        finally:
            for desk in desks:
                await desk.checks.close()
            await database.close()

    asyncio.run(run())


def test_a_check_by_the_list_costs_nothing_and_is_noted(postgres_dsn: str) -> None:
    found, _ = targets({}, {})

    async def scenario(desk: Desk) -> None:
        one, two = await desk.checks.check(found, by="somebody")
        assert (one.ok, two.ok) == (True, False)
        assert two.error == "the provider answers HTTP 500"
        assert desk.ledger.rows == []
        history, total = await desk.checks.history(model=None, status=None, limit=10, offset=0)
        assert total == 2
        assert {each.model_name: each.status for each in history} == {"m0": "healthy", "m1": "unhealthy"}
        assert {each.checked_by for each in history} == {"somebody"}
        latest = await desk.checks.latest()
        assert {each.model_id for each in latest} == {"id-0", "id-1"}
        standing = desk.fleet.find(found[1])
        assert standing is not None
        assert standing.state(time.monotonic(), stale_s=60.0) is DeploymentHealth.UNHEALTHY

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST, DOWN), found=found)


def test_a_check_by_a_call_is_booked_as_what_it_is(postgres_dsn: str) -> None:
    found, _ = targets({"health_check": "call", "mode": "chat", "health_check_max_tokens": 5})

    async def scenario(desk: Desk) -> None:
        (check_found,) = await desk.checks.check(found, by="somebody")
        assert check_found.ok
        (row,) = desk.ledger.rows
        assert (row.key_hash, row.tags, row.outcome) == (CHECKER, ("health-check",), Outcome.OK)
        assert b'"max_tokens":5' in desk.upstream.requests[0].body.replace(b" ", b"")

    at_desks(postgres_dsn, scenario, FakeUpstream(Answer(body=answers.openai_chat())), found=found)


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (Answer(status=400, body=b'{"error": {"message": "max_tokens is too small"}}'), True),
        (Answer(status=401, body=b'{"error": {"message": "Incorrect API key"}}'), False),
        (Answer(status=404, body=b'{"error": {"message": "The model does not exist"}}'), False),
        (Answer(status=503), False),
        (UpstreamUnreachable("No connection could be made."), False),
    ],
)
def test_a_model_that_finds_the_question_wrong_answers_all_the_same(
    postgres_dsn: str, answer: Any, ok: bool
) -> None:
    found, _ = targets({"health_check": "call"})

    async def scenario(desk: Desk) -> None:
        (check_found,) = await desk.checks.check(found, by="somebody")
        assert check_found.ok is ok
        assert "sk-provider-secret" not in check_found.error

    at_desks(postgres_dsn, scenario, FakeUpstream(answer), found=found)


def test_a_check_a_moment_ago_counts_for_the_next_one(postgres_dsn: str) -> None:
    found, _ = targets({})

    async def scenario(desk: Desk) -> None:
        await asyncio.gather(*(desk.checks.check(found, by="somebody") for _ in range(5)))
        await desk.checks.check(found, by="somebody")
        assert len(desk.upstream.requests) == 1

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST), found=found)


def test_one_worker_of_all_makes_each_check_in_the_background(postgres_dsn: str) -> None:
    found, _ = targets(*({} for _ in range(6)), {"disable_background_health_check": True})

    async def scenario(*desks: Desk) -> None:
        for desk in desks:
            await desk.checks._turn()  # enters the deployments: nothing is due yet
        due = 'UPDATE "Switchgear_Deployment" SET next_check_at = now()'
        await asyncio.to_thread(execute, postgres_dsn, due)
        await asyncio.gather(*(desk.checks._turn() for desk in desks))
        assert sum(len(desk.upstream.requests) for desk in desks) == 6
        for desk in desks:  # and all of them know what was found
            await desk.checks._turn()
            known = [desk.fleet.find(each) for each in found]
            assert [each is not None and each.checked_ok for each in known] == [False] * 6 + [False]
            assert known[6] is None

    at_desks(postgres_dsn, scenario, *(FakeUpstream(DOWN) for _ in range(3)), found=found)


def test_checks_are_spread_over_the_interval_and_a_tenth_around_it(postgres_dsn: str) -> None:
    """300 s apart: a start checks nothing at once, and no two deployments keep in step."""
    found, _ = targets(*({} for _ in range(12)))
    left = "extract(epoch FROM next_check_at - clock_timestamp())::float8"
    due = f'SELECT {left} AS s FROM "Switchgear_Deployment"'

    async def scenario(desk: Desk) -> None:
        async def dues() -> list[float]:
            async with desk.checks._database.connection() as connection:
                return [row["s"] for row in await connection.fetch(due)]

        await desk.checks._turn()
        entered = await dues()
        assert len({round(each, 3) for each in entered}) > len(found) / 2
        assert -5 < min(entered) <= max(entered) <= 300
        assert desk.upstream.requests == []
        now = 'UPDATE "Switchgear_Deployment" SET next_check_at = now()'
        await asyncio.to_thread(execute, postgres_dsn, now)
        while min(await dues()) <= 0:
            await desk.checks._turn()
        claimed = await dues()
        assert len({round(each) for each in claimed}) > len(found) / 2
        assert 255 < min(claimed) <= max(claimed) <= 330

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST), found=found)


def test_old_checks_are_deleted(postgres_dsn: str) -> None:
    found, _ = targets({})

    async def scenario(desk: Desk) -> None:
        await desk.checks.check(found, by="somebody")
        old = datetime.now(UTC) - timedelta(days=31)
        sql = f"""INSERT INTO "LiteLLM_HealthCheckTable" (health_check_id, model_name, status, checked_at,
            created_at, updated_at) VALUES ('old', 'm', 'healthy', '{old}', now(), now())"""
        await asyncio.to_thread(execute, postgres_dsn, sql)
        await desk.checks._tidy()
        history, total = await desk.checks.history(model=None, status=None, limit=10, offset=0)
        assert (total, history[0].model_name) == (1, "m0")

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST), found=found)


def test_checks_on_demand_are_bounded_too(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is checked in the background, nobody else deletes them."""
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    monkeypatch.setattr(module, "TIDY_S", 0.0)
    found, _ = targets({})

    async def scenario(desk: Desk) -> None:
        for number in range(6):
            named = [msgspec.structs.replace(found[0], model_id=f"made-{number}")]
            await desk.checks.check(named, by="somebody")
        _, total = await desk.checks.history(model=None, status=None, limit=10, offset=0)
        assert total <= 3
        assert len(desk.checks._found) == 1, "models come and go"

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST), found=found)


def test_a_deployment_that_was_mended_is_checked_anew(postgres_dsn: str) -> None:
    found, _ = targets({})

    async def scenario(desk: Desk) -> None:
        (wrong,) = await desk.checks.check(found, by="somebody")
        mended = [msgspec.structs.replace(found[0], api_base="http://mended.test")]
        (right,) = await desk.checks.check(mended, by="somebody")
        assert (wrong.ok, right.ok) == (False, True)

    at_desks(postgres_dsn, scenario, FakeUpstream(DOWN, LIST), found=found)


def test_a_report_has_the_healthy_and_the_unhealthy(postgres_dsn: str) -> None:
    found, router = targets({}, {}, {"health_check": "none"})

    async def scenario(desk: Desk) -> None:
        database = desk.checks._database
        reports = DeploymentReports(desk.checks, desk.fleet, lambda: found, router, database)
        report = await reports.report(model=None, model_id=None)
        assert report is not None
        assert (report.healthy_count, report.unhealthy_count) == (2, 1)
        assert [each.model_id for each in report.unhealthy_endpoints] == ["id-1"]
        assert report.healthy_endpoints[1].checked_by == "none"
        assert report.healthy_endpoints[1].checked_at is None
        assert await reports.report(model="m9", model_id=None) is None
        one = await reports.report(model=None, model_id="id-0")
        assert one is not None
        assert one.healthy_count == 1
        assert reports.states()["id-1"]["state"] == "unhealthy"
        rules = CheckRules(background=True, details=False)
        bare = await DeploymentReports(
            desk.checks, desk.fleet, lambda: found, router, database, rules
        ).report(model=None, model_id=None)
        assert bare is not None
        assert [each.model_id for each in bare.unhealthy_endpoints] == ["id-1"]
        for each in (*bare.healthy_endpoints, *bare.unhealthy_endpoints):
            assert (each.api_base, each.error) == ("", "")
        noted = DeploymentReports(
            desk.checks, desk.fleet, lambda: found, router, database, CheckRules(background=True)
        )
        asked = len(desk.upstream.requests)
        again = await noted.report(model=None, model_id=None)
        assert again is not None
        assert (again.healthy_count, again.unhealthy_count) == (2, 1)
        assert len(desk.upstream.requests) == asked

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST, DOWN), found=found)


def test_budgets_of_providers_are_read_from_their_accounts(postgres_dsn: str) -> None:
    budgets = {"openai": {"budget_limit": 50, "time_period": "1d"}, "groq": {"max_budget": 5}}
    found, router = targets({}, provider_budget_config=budgets)
    execute(
        postgres_dsn,
        """INSERT INTO "Switchgear_Account"
           (account, kind, object_id, part, duration, spent, leased, window_end)
           VALUES ('money:provider:openai:1d', '', '', '', '1d', 1500000000, 0, now() + interval '1 hour')""",
    )

    async def scenario(desk: Desk) -> None:
        database = desk.checks._database
        shown = await DeploymentReports(
            desk.checks, desk.fleet, lambda: found, router, database
        ).provider_budgets()
        assert {name: (float(each.budget_limit), float(each.spend)) for name, each in shown.items()} == {
            "openai": (50.0, 1.5),
            "groq": (5.0, 0.0),
        }

    at_desks(postgres_dsn, scenario, FakeUpstream(LIST), found=found)


@pytest.mark.parametrize(
    ("info", "how"),
    [
        ({}, "models"),
        ({"health_check": "call"}, "call"),
        ({"health_check": "call", "mode": "embedding"}, "call"),
        ({"health_check": "call", "mode": "image_generation"}, "models"),
        ({"health_check": "none"}, "none"),
    ],
)
def test_how_a_deployment_is_checked(info: dict[str, Any], how: str) -> None:
    found, _ = targets(info)
    assert how_of(found[0]) == how


def test_the_time_of_a_check_is_the_configs() -> None:
    found, _ = targets({}, {"health_check_timeout": "2.5"})
    assert (timeout_of(found[0], 10.0), timeout_of(found[1], 10.0)) == (10.0, 2.5)
