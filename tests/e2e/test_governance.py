"""Budgets, limits and authority over real workers: what four worker processes together let through."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, early_in_a_minute, query, serving, until
from tests.fakes.answers import COMPLETION_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream

WORKERS = 4
CALL_USD = Decimal(COMPLETION_TOKENS) / 1000
"""What a call of these tests costs, and at most can."""
ASK = {"model": "paid", "messages": [{"role": "user", "content": "hi"}], "max_tokens": COMPLETION_TOKENS}
IN_FORCE_S = 1.0
SLACK_S = 0.5
"""A busy machine's, beside the second that is promised."""
RUNBOOK = (
    """UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin' WHERE user_email = 'admin@deeprunner.ai';"""
)


def config_for(upstream: HostileUpstream) -> dict[str, object]:
    params = {
        "model": "openai/gpt-x",
        "api_base": f"{upstream.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": 0,
        "output_cost_per_token": 0.001,
    }
    slow = {**params, "model": "openai/slow_stream"}
    return {
        "model_list": [
            {"model_name": "paid", "litellm_params": params},
            {"model_name": "slow", "litellm_params": slow},
        ]
    }


@pytest.fixture(scope="module")
def four(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway of four workers, all of them up."""
    name = "governance_of_four"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("four"), dsn_of(postgres_server, name)
    with serving(folder, config_for(upstream), dsn, "--workers", str(WORKERS)) as gateway:
        until(lambda: workers_up(gateway) == WORKERS, what="four workers")
        yield gateway
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def one(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = "governance_of_one"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("one"), dsn_of(postgres_server, name)
    with serving(folder, config_for(upstream), dsn) as gateway:
        yield gateway
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def workers_up(gateway: Gateway) -> int:
    sql = """SELECT count(*) AS n FROM "Switchgear_Worker" WHERE seen_at > now() - interval '3 s'"""
    return int(asyncio.run(query(gateway.dsn, sql))[0]["n"])


def client(gateway: Gateway, key: str, connections: int = 100) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(
        base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, limits=limits, timeout=60
    )


async def ask(http: httpx.AsyncClient, **more: object) -> httpx.Response:
    return await http.post("/v1/chat/completions", json={**ASK, **more})


def spent(gateway: Gateway, alias: str) -> Decimal:
    sql = """SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_alias = $1"""
    return Decimal(asyncio.run(query(gateway.dsn, sql, alias))[0]["spend"])


def over_billed(gateway: Gateway, level: str, name: str) -> tuple[str, dict[str, object]]:
    """A key under a budget on one level, for one call and a part of the next; and what its calls name."""
    limit: dict[str, Any] = {"max_budget": float(CALL_USD * Decimal("1.5"))}
    match level:
        case "key":
            return gateway.virtual_key(name, **limit), {}
        case "a model of a key":
            return gateway.virtual_key(
                name, model_max_budget={"paid": {"budget_limit": limit["max_budget"]}}
            ), {}
        case "a window of a key":
            windows = [{"budget_duration": "1d", **limit}]
            return gateway.virtual_key(name, budget_limits=windows), {}
        case "user":
            made = gateway.post("/user/new", user_id=name, auto_create_key=False, **limit)
            key = gateway.virtual_key(name, user_id=name)
        case "team":
            made = gateway.post("/team/new", team_id=name, **limit)
            key = gateway.virtual_key(name, team_id=name)
        case "member":
            gateway.post("/user/new", user_id=name, auto_create_key=False)
            gateway.post("/team/new", team_id=name)
            member = {"role": "user", "user_id": name}
            made = gateway.post(
                "/team/member_add", team_id=name, member=member, max_budget_in_team=limit["max_budget"]
            )
            key = gateway.virtual_key(name, team_id=name, user_id=name)
        case "organization":
            made = gateway.post("/organization/new", organization_id=name, organization_alias=name, **limit)
            organization = made.json()["organization_id"]
            key = gateway.virtual_key(name, organization_id=organization)
        case _:
            made = gateway.post("/customer/new", user_id=name, **limit)
            return gateway.virtual_key(name), {"user": name}
    assert made.status_code == 200, made.text
    return key, {}


def one_after_the_other(
    gateway: Gateway, key: str, calls: int, *, stream: bool, **names: object
) -> list[int]:
    """The statuses of calls that hold one token each. A connection of its own takes each to any worker."""

    async def run() -> list[int]:
        statuses = []
        for _ in range(calls):
            async with client(gateway, key) as http:
                answer = await ask(http, max_tokens=1, stream=stream, **names)
                statuses.append(answer.status_code)
        return statuses

    return asyncio.run(run())


@contextmanager
def slow_returns(gateway: Gateway) -> Iterator[None]:
    """Meanwhile each return of a lease takes 0.15 s longer, before it locks anything."""
    takes = "text, bigint, text[], bigint[], bigint[]"
    execute(gateway.dsn, f"ALTER FUNCTION switchgear_return({takes}) RENAME TO switchgear_return_at_once")
    execute(
        gateway.dsn,
        f"""CREATE FUNCTION switchgear_return({takes}) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep(0.15); PERFORM switchgear_return_at_once($1, $2, $3, $4, $5); END $$""",
    )
    try:
        yield
    finally:
        execute(gateway.dsn, f"DROP FUNCTION switchgear_return({takes})")
        execute(gateway.dsn, f"ALTER FUNCTION switchgear_return_at_once({takes}) RENAME TO switchgear_return")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "level",
    [
        "key",
        "a model of a key",
        "a window of a key",
        "user",
        "team",
        "member",
        "organization",
        "end user",
    ],
)
def test_a_call_that_is_billed_beyond_its_hold_is_the_last_one(
    four: Gateway, level: str, *, stream: bool
) -> None:
    """Each call holds one token, and is billed for all of an answer. The second is the last that fits."""
    key, names = over_billed(four, level, f"over-billed-{level}-{stream}")
    assert one_after_the_other(four, key, 12, stream=stream, **names) == [200, 200] + [422] * 10


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_when_what_it_cost_beyond_its_hold_is_charged(four: Gateway, *, stream: bool) -> None:
    """Postgres takes its time over the charge, and the next call comes to another worker at once."""
    key, _ = over_billed(four, "key", f"slowly-charged-{stream}")
    with slow_returns(four):
        assert one_after_the_other(four, key, 6, stream=stream) == [200, 200] + [422] * 4


@pytest.mark.parametrize("workers", ["one", "four"])
def test_of_200_calls_at_once_against_a_budget_for_one_exactly_one_passes(
    request: pytest.FixtureRequest, upstream: HostileUpstream, workers: str
) -> None:
    gateway: Gateway = request.getfixturevalue(workers)
    key = gateway.virtual_key("for-one", max_budget=float(CALL_USD))
    before = len(upstream.requests)

    async def rush() -> list[httpx.Response]:
        async with client(gateway, key, 200) as http:
            return await asyncio.gather(*(ask(http) for _ in range(200)))

    answers = asyncio.run(rush())
    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 199}
    assert len(upstream.requests) - before == 1, "a refused call costs nothing upstream"
    refused = next(answer for answer in answers if answer.status_code == 422)
    error = refused.json()["error"]
    assert (error["type"], error["reason"], error["code"]) == ("budget_exceeded", "budget_exceeded", "422")
    assert error["message"].startswith("Budget has been exceeded! Key=key for-one Current cost: ")
    assert refused.headers["x-should-retry"] == "false"
    until(lambda: spent(gateway, "for-one") == CALL_USD, what="the counter")


def test_the_sdk_does_not_try_a_refused_budget_again(one: Gateway, upstream: HostileUpstream) -> None:
    key = one.virtual_key("none-left", max_budget=0)
    before = len(upstream.requests)
    with pytest.raises(openai.UnprocessableEntityError, match="Budget has been exceeded"):
        openai.OpenAI(base_url=f"{one.url}/v1", api_key=key, max_retries=2).chat.completions.create(**ASK)  # type: ignore[call-overload]
    assert len(upstream.requests) == before


def test_calls_one_after_the_other_whose_sum_is_the_budget_all_pass(four: Gateway) -> None:
    """Each over a connection of its own, so that all workers have some."""
    key = four.virtual_key("for-forty", max_budget=float(40 * CALL_USD))

    async def one_by_one() -> list[int]:
        statuses = []
        for _ in range(41):
            async with client(four, key, 1) as http:
                statuses.append((await ask(http)).status_code)
        return statuses

    statuses = asyncio.run(one_by_one())
    assert statuses == [200] * 40 + [422]
    until(lambda: spent(four, "for-forty") == 40 * CALL_USD, what="the counter")


def test_sixty_a_minute_are_sixty_over_four_workers_and_skewed_connections(four: Gateway) -> None:
    async def rush(key: str) -> list[httpx.Response]:
        async with client(four, key, 4) as few, client(four, key, 40) as many:
            return await asyncio.gather(*(ask(few if number % 10 else many) for number in range(500)))

    for attempt in range(3):
        early_in_a_minute(15)
        minute = time.time() // 60
        answers = asyncio.run(rush(four.virtual_key(f"sixty-{attempt}", rpm_limit=60)))
        if time.time() // 60 == minute:
            break
    else:
        pytest.fail("500 calls have taken longer than a minute, three times")
    assert Counter(answer.status_code for answer in answers) == {200: 60, 429: 440}
    passed = [answer for answer in answers if answer.status_code == 200]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in passed} == {"60"}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "limit 60" in refused.json()["error"]["message"]


def in_force(gateway: Gateway, key: str, change: str, *, status: int, connections: int = 24) -> float:
    """Seconds from a change by SQL until every connection of many, so every worker, has answered with a
    status, and goes on to. All connections are warm before."""

    async def run() -> float:
        clients = [client(gateway, key, 1) for _ in range(connections)]
        try:
            await asyncio.gather(*(ask(http) for http in clients))
            await query(gateway.dsn, change)
            began = time.monotonic()
            last_other = began
            while time.monotonic() - began < IN_FORCE_S + SLACK_S:
                answers = await asyncio.gather(*(ask(http) for http in clients))
                if any(answer.status_code != status for answer in answers):
                    last_other = time.monotonic()
            return last_other - began
        finally:
            for http in clients:
                await http.aclose()

    return asyncio.run(run())


def test_a_blocked_team_is_refused_everywhere_within_a_second_and_comes_back(four: Gateway) -> None:
    assert four.post("/team/new", team_id="red").status_code == 200
    key = four.virtual_key("of-red", team_id="red")
    sql = 'UPDATE "LiteLLM_TeamTable" SET blocked = {}'
    assert in_force(four, key, sql.format("true"), status=401) < IN_FORCE_S
    assert in_force(four, key, sql.format("false"), status=200) < IN_FORCE_S


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE "LiteLLM_UserTable" SET blocked = true WHERE user_id = 'gone'""",
        """DELETE FROM "LiteLLM_UserTable" WHERE user_id = 'gone'""",
        """DELETE FROM "LiteLLM_VerificationToken" WHERE key_alias LIKE 'of-gone-%'""",
        """UPDATE "LiteLLM_VerificationToken" SET models = '{other}' WHERE key_alias LIKE 'of-gone-%'""",
        """UPDATE "LiteLLM_VerificationToken" SET max_budget = 0 WHERE key_alias LIKE 'of-gone-%'""",
        """UPDATE "LiteLLM_UserTable" SET user_role = 'internal_user_viewer' WHERE user_id = 'gone'""",
    ],
    ids=["user-blocked", "user-deleted", "key-deleted", "models", "budget", "role"],
)
def test_what_sql_takes_away_is_gone_everywhere_within_a_second(
    four: Gateway, request: pytest.FixtureRequest, sql: str
) -> None:
    name = request.node.callspec.id
    status = {"models": 403, "budget": 422, "role": 403}.get(name, 401)
    four.post("/user/new", user_id="gone", auto_create_key=False)
    execute(four.dsn, """UPDATE "LiteLLM_UserTable" SET blocked = false, user_role = 'internal_user'""")
    key = four.virtual_key(f"of-gone-{name}", user_id="gone", max_budget=1_000)
    assert in_force(four, key, sql, status=status) < IN_FORCE_S


def test_the_runbooks_sql_makes_an_admin_within_a_second(four: Gateway) -> None:
    four.post("/user/new", user_id="boss", user_email="admin@deeprunner.ai", auto_create_key=False)
    key = four.virtual_key("boss", user_id="boss")
    assert four.post("/budget/new", key=key).status_code == 403
    execute(four.dsn, RUNBOOK)
    began = time.monotonic()
    until(lambda: four.post("/budget/new", key=key).status_code == 200, what="an admin")
    assert time.monotonic() - began < IN_FORCE_S


def test_an_api_change_is_in_force_for_the_next_call(one: Gateway) -> None:
    key = one.virtual_key("blocked-by-api")
    admin, caller = ({"authorization": f"Bearer {each}"} for each in (one.key, key))
    with httpx.Client(base_url=one.url, timeout=30) as http:
        for path, status in (("/key/block", 401), ("/key/unblock", 200)) * 20:
            assert http.post(path, json={"key": key}, headers=admin).status_code == 200
            assert http.post("/v1/chat/completions", json=ASK, headers=caller).status_code == status


MONEY = """
    SELECT (SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_alias = 'killed') AS spend,
        (SELECT coalesce(sum(leased), 0) FROM "Switchgear_Account" WHERE kind = 'key') AS leased
"""


def test_a_worker_that_is_killed_under_load_overspends_nothing(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    limit = 200 * CALL_USD
    before = len(upstream.requests)
    with serving(tmp_path, config_for(upstream), postgres_dsn, "--workers", str(WORKERS)) as gateway:
        until(lambda: workers_up(gateway) == WORKERS, what="four workers")
        key = gateway.virtual_key("killed", max_budget=float(limit))

        async def caller(statuses: Counter[int]) -> None:
            while statuses[422] == 0:
                try:
                    async with client(gateway, key, 1) as http:
                        statuses[(await ask(http)).status_code] += 1
                except httpx.TransportError:
                    statuses[0] += 1

        async def rush() -> Counter[int]:
            statuses: Counter[int] = Counter()
            callers = [asyncio.create_task(caller(statuses)) for _ in range(16)]
            while statuses[200] < 20:  # noqa: ASYNC110  (counted by the callers)
                await asyncio.sleep(0.005)
            os.kill(gateway.process.workers()[0].pid, signal.SIGKILL)
            await asyncio.gather(*callers)
            return statuses

        statuses = asyncio.run(rush())
        bill = (len(upstream.requests) - before) * CALL_USD
        assert statuses[200] >= 20
        assert bill <= limit, "the provider's own bill"
        (found,) = asyncio.run(query(postgres_dsn, MONEY))  # at one moment: booking makes spend of leases
        spend, leased = found["spend"], Decimal(int(found["leased"])) / 10**9
        assert spend + leased <= limit
        assert limit - bill <= leased + (limit - spend), "what is not spent is held, not lost"


def test_a_customer_that_a_request_names_has_its_own_limits(one: Gateway) -> None:
    assert one.post("/customer/new", user_id="carl", max_budget=float(CALL_USD)).status_code == 200
    key = one.virtual_key("for-customers")

    def status(user: str, header: str | None = None) -> int:
        body = {**ASK} if header else {**ASK, "user": user}
        headers = {"authorization": f"Bearer {key}", **({header: user} if header else {})}
        return httpx.post(
            f"{one.url}/v1/chat/completions", json=body, headers=headers, timeout=30
        ).status_code

    assert [status("carl"), status("carl"), status("dora")] == [200, 422, 200]
    assert one.post("/customer/block", user_ids=["dora"]).status_code == 200
    assert status("dora") == 403
    assert status("dora", "x-litellm-customer-id") == 403
    assert status("carl", "X-LiteLLM-End-User-Id") == 422


def test_streams_hold_their_slot_until_they_end(one: Gateway) -> None:
    key = one.virtual_key("one-at-once", max_parallel_requests=1)

    async def run() -> list[int]:
        async with client(one, key) as http:
            body = {**ASK, "model": "slow", "stream": True}
            async with http.stream("POST", "/v1/chat/completions", json=body) as stream:
                assert stream.status_code == 200
                during = await ask(http)
                await stream.aread()
            after = await ask(http)
        return [during.status_code, after.status_code]

    assert asyncio.run(run()) == [429, 200]
