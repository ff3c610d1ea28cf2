"""Whatever is killed, wherever: the ledger against the bill that the provider kept.

A real gateway of two workers is under load, with a real Postgres, and `kill -9` strikes at named places
(`tests/e2e/faulty.py`). The seed of the last test is in its name, and SWITCHGEAR_TEST_SEED=... runs it again.
"""

import asyncio
import os
import random
import re
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from runtime.local.postgres import EmbeddedPostgres
from schema.ledger.rows import is_earlier_id
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import SALT_KEY
from tests.e2e.faulty import (
    AT_A_DEAD_WORKERS_END,
    FAULTS,
    IN_A_WORKER,
    IN_THE_BOOKKEEPER,
    NO_ROOM,
    ROWS_BOOKED,
)
from tests.e2e.gateway import SWITCHGEAR, Gateway, query, serving, status_of, until
from tests.fakes.billing_upstream import (
    BILLS,
    INPUT_NANO,
    MAX_TOKENS,
    OUTPUT_NANO,
    REFUSALS,
    Attempt,
    BillingUpstream,
)

FAULTY = (*SWITCHGEAR[:-1], "tests.e2e.faulty")
WORKERS = 2
CALLERS = 12
CALLS = 200
RESPONSES_SHARE = 0.4
"""The share of the calls that are Responses, translated to chat and stored."""
DEPLOYMENTS = {
    "answers": ("answers",),
    "breaks": ("breaks",),
    "fails": ("fails",),
    "bills": ("bills",),
    "refuses": ("refuses",),
    "retries": ("refuses", "bills", "answers"),
    "falls back": ("fails", "bills", "refuses"),
    "exceeds": ("exceeds",),
}
"""By the model's name; each of them is tried once. What falls back does so to `answers`."""
EXCEEDING = ("answers", "exceeds")
"""Models of a load whose provider bills more than was held."""
MODELS = ("answers", "answers", "breaks", "fails", "bills", "refuses", "retries", "retries", "falls back")
BUDGET_NANO = 3_000_000
"""Less than CALLS calls cost, so that it runs out."""
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
SEED = os.environ.get("SWITCHGEAR_TEST_SEED") or RUN[:8] or secrets.token_hex(4)
"""The same in every process that pytest collects in."""
AWAY_S = 20.0
RANDOM_S = 20.0
ENDING_S = 0.5
"""Within it ends at the provider, too, what its clients left."""


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger."""

    request_id: str
    call: str
    model: str
    outcome: str
    estimated: bool
    nano: int

    @property
    def attempt(self) -> Attempt:
        return self.call, self.model

    @property
    def is_known(self) -> bool:
        return not self.estimated and self.outcome != "uncertain"

    @property
    def is_earlier(self) -> bool:
        """Of an attempt after which the call went on."""
        return is_earlier_id(self.request_id)


ROWS = """
    SELECT request_id, litellm_call_id AS call, model, outcome, estimated,
        (spend * 1000000000)::bigint AS nano
    FROM "LiteLLM_SpendLogs" WHERE litellm_call_id LIKE $1 || '%'
"""
SUMS = """
    SELECT (k.spend * 1000000000)::bigint AS key, (t.spend * 1000000000)::bigint AS team,
        (SELECT coalesce(sum(spend * 1000000000), 0)::bigint FROM "LiteLLM_SpendLogs"
         WHERE team_id = $1) AS rows,
        (SELECT coalesce(sum(spend * 1000000000), 0)::bigint FROM "Switchgear_DailySpend"
         WHERE team_id = $1) AS days
    FROM "LiteLLM_VerificationToken" k JOIN "LiteLLM_TeamTable" t USING (team_id) WHERE k.team_id = $1
"""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that can be hurt, and who it calls."""

    gateway: Gateway
    upstream: BillingUpstream
    faults: Path
    journals: Path

    def arm(self, place: str, victim: int | None = None) -> None:
        draft = self.faults / ".draft"
        draft.write_text("" if victim is None else str(victim))
        draft.rename(self.faults / place)

    def healed(self) -> bool:
        """All workers are up: who dies is replaced, after a second if it happens often."""
        return (
            len(self.gateway.process.workers()) == WORKERS
            and status_of(f"{self.gateway.url}/health/readiness") == 200
        )

    def armed(self, place: str) -> bool:
        return (self.faults / place).exists()


@contextmanager
def scene(folder: Path, dsn: str, *, port: int | None = None, upstream: BillingUpstream) -> Iterator[Scene]:
    faults = folder / "faults"
    faults.mkdir(exist_ok=True)
    env = {FAULTS: str(faults), "SWITCHGEAR_JOURNAL_SYNC_MS": "20", "SWITCHGEAR_SALT_KEY": SALT_KEY}
    params = {
        "api_base": f"{upstream.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": INPUT_NANO / 1e9,
        "output_cost_per_token": OUTPUT_NANO / 1e9,
    }
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{model}", **params},
            "model_info": {"bills_failures": model == BILLS},
        }
        for name, deployments in DEPLOYMENTS.items()
        for model in deployments
    ]
    policy = {
        name: {"DefaultRetries": len(deployments) - 1, "BadRequestErrorRetries": 0}
        for name, deployments in DEPLOYMENTS.items()
    }
    router = {
        "model_group_retry_policy": policy,
        "fallbacks": [{"falls back": ["answers"]}],
        "disable_cooldowns": True,  # or a call would be retried where it failed, since the rest cools down
    }
    config = {"model_list": models, "router_settings": router}
    arguments = ("--workers", str(WORKERS))
    with serving(folder, config, dsn, *arguments, env=env, port=port, program=FAULTY) as gateway:
        yield Scene(
            gateway=gateway, upstream=upstream, faults=faults, journals=folder.resolve() / "data" / "journals"
        )


@pytest.fixture(scope="module")
def bills() -> Iterator[BillingUpstream]:
    upstream = BillingUpstream()
    with upstream.in_thread():
        yield upstream
        assert upstream.errors == []


@pytest.fixture(scope="module")
def shared(
    postgres_server: str,
    migrated_template: str,
    bills: BillingUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """One for all places: it heals. At its end nothing may be left to book or on lease."""
    name = "kill_matrix"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("matrix"), dsn_of(postgres_server, name)
    with scene(folder, dsn, upstream=bills) as running:
        yield running
    assert_at_rest(running)
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


class Load:
    """Calls of one key under a budget, over and over; `prefix` is what their ids begin with."""

    def __init__(
        self,
        at: Scene,
        prefix: str,
        *,
        budget_nano: int = BUDGET_NANO,
        models: Sequence[str] = MODELS,
    ) -> None:
        self.prefix, self.budget_nano = f"{prefix}-", budget_nano
        self.models = models
        self._scene, self._number = at, 0
        until(at.healed, what="two workers")
        self._chance = random.Random(prefix)
        self.statuses: list[int] = []
        team = at.gateway.post("/team/new", team_id=prefix, max_budget=budget_nano / 1e9)
        assert team.status_code == 200, team.text
        self._key = at.gateway.virtual_key(prefix, team_id=prefix)

    async def run(self, calls: int | None = None, *, seconds: float = 120.0) -> None:
        """Until so many calls found a gateway, or for so long."""
        until_mono = time.monotonic() + seconds

        async def caller() -> None:
            async with httpx.AsyncClient(base_url=self._scene.gateway.url, timeout=30) as http:
                while time.monotonic() < until_mono and (calls is None or len(self.statuses) < calls):
                    self._number += 1
                    await self._one(http, f"{self.prefix}{self._number}")

        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    async def _one(self, http: httpx.AsyncClient, call: str) -> None:
        streamed = self._chance.random() < 0.5
        leaves_after = self._chance.randint(1, 8) if self._chance.random() < 0.2 else None
        body: dict[str, object] = {"model": self._chance.choice(self.models), "stream": streamed}
        if self._chance.random() < RESPONSES_SHARE:
            path = "/v1/responses"
            body |= {"input": call, "max_output_tokens": MAX_TOKENS, "store": True}
        else:
            path = "/v1/chat/completions"
            body |= {"messages": [{"role": "user", "content": call}], "max_tokens": MAX_TOKENS}
        headers = {"authorization": f"Bearer {self._key}", "x-litellm-call-id": call}
        try:
            async with http.stream("POST", path, json=body, headers=headers) as answer:
                self.statuses.append(answer.status_code)
                pieces = 0
                async for _ in answer.aiter_bytes():
                    pieces += 1
                    if pieces == leaves_after:
                        return
        except httpx.ConnectError:  # nobody is there just now
            await asyncio.sleep(0.05)
        except httpx.TransportError:
            self.statuses.append(0)


def check(at: Scene, load: Load, *, timeout_s: float = 30.0) -> list[Booked]:
    """One row for each attempt, and one at most that is its call's last; what is known is the bill, what is
    not is no less; nothing cost more than was held for it, and no budget is exceeded."""
    time.sleep(ENDING_S)
    attempts = at.upstream.attempts_of(load.prefix)
    rows: list[Booked] = []

    def all_there() -> bool:
        rows[:] = [
            msgspec.convert(dict(row), Booked)
            for row in asyncio.run(query(at.gateway.dsn, ROWS, load.prefix))
        ]
        return attempts <= {row.attempt for row in rows}

    with suppress(AssertionError):
        until(all_there, timeout_s, pause_s=0.1)
    assert not attempts - {row.attempt for row in rows}, f"attempts without a row after {timeout_s:g} s"
    assert len(rows) == len({row.attempt for row in rows}), "a row is doubled"
    last = [row.call for row in rows if not row.is_earlier]
    assert len(last) == len(set(last)), "a call has one last row"
    for row in rows:
        charged = at.upstream.bill[row.attempt]
        assert not charged or row.model not in REFUSALS, row
        bounded = row.model != "exceeds"
        assert row.nano == charged if row.is_known else not bounded or row.nano >= charged, row
    assert {at.upstream.attempts[attempt] for attempt in attempts} == {1}
    (sums,) = asyncio.run(query(at.gateway.dsn, SUMS, load.prefix[:-1]))
    assert set(sums.values()) == {sum(row.nano for row in rows)}, "counters and daily sums are the rows"
    if "exceeds" in load.models:
        return rows
    exceeded = re.findall(r'"hold_exceeded".*?"request_id": ?"([^"]+)"', at.gateway.process.log())
    assert not [row for row in rows if row.request_id.startswith(tuple(exceeded))]
    assert at.upstream.total(load.prefix) <= sums["team"] <= load.budget_nano
    return rows


def correct(at: Scene, load: Load, rows: Sequence[Booked]) -> None:
    """Put what is not known right from the bill: then the ledger is the bill."""
    for row in rows:
        if not row.is_known:
            cost = f"{at.upstream.bill[row.attempt] / 1e9:.9f}"
            answer = at.gateway.post(
                "/spend/correct", request_id=row.request_id, cost=cost, reason="as billed"
            )
            assert answer.status_code == 200, answer.text
    (sums,) = asyncio.run(query(at.gateway.dsn, SUMS, load.prefix[:-1]))
    assert set(sums.values()) == {at.upstream.total(load.prefix)}


def assert_at_rest(at: Scene) -> None:
    """After its end: all is booked, no journal is left, and nothing is on lease. (A journal that was never
    begun is swept up a minute later.)"""
    left = [path.name for path in at.journals.iterdir() if path.is_dir() and path.name[0] != "."]
    assert left == [], left
    sql = """SELECT (SELECT count(*) FROM "Switchgear_Journal" WHERE finished_at IS NULL) AS journals,
        (SELECT coalesce(sum(leased), 0) FROM "Switchgear_Account") AS leased"""
    (found,) = asyncio.run(query(at.gateway.dsn, sql))
    assert (found["journals"], found["leased"]) == (0, 0)


def ids(places: Sequence[str]) -> list[str]:
    return [place.replace(" ", "-") for place in places]


PLACES = [*IN_A_WORKER, *IN_THE_BOOKKEEPER, ROWS_BOOKED]
EXCEEDED_AT = ["returning a slice", "slice returned", "settled", "replying", "booking", ROWS_BOOKED]


async def begun(calling: "asyncio.Task[None]", load: Load, *, ok: int) -> None:
    """Until so many calls were answered."""
    while load.statuses.count(200) < ok and not calling.done():  # noqa: ASYNC110  (nobody tells)
        await asyncio.sleep(0.01)


async def stopped(calling: "asyncio.Task[None]") -> None:
    """The clients leave, whatever they were at."""
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)


def kill_at(at: Scene, load: Load, *places: str) -> None:
    """Run a load with places armed, and see that the first was come to and what was booked."""

    async def run() -> None:
        calling = asyncio.create_task(load.run(CALLS))
        await begun(calling, load, ok=10)
        for place in places:
            at.arm(place)
        await calling

    asyncio.run(run())
    until(lambda: not at.armed(places[0]), 90.0, what=f"a death at: {places[0]}")  # a busy machine
    rows = check(at, load)
    assert sum(row.outcome == "ok" for row in rows) > 10
    until(at.healed, what="two workers")  # who corrects is not the one that dies
    correct(at, load, rows)


@pytest.mark.parametrize("place", PLACES, ids=ids(PLACES))
def test_killed_at(shared: Scene, place: str) -> None:
    kill_at(shared, Load(shared, f"at-{place.replace(' ', '-')}"), place)


@pytest.mark.parametrize("place", AT_A_DEAD_WORKERS_END, ids=ids(list(AT_A_DEAD_WORKERS_END)))
def test_killed_while_a_dead_workers_journal_is(shared: Scene, place: str) -> None:
    kill_at(shared, Load(shared, f"end-{place}"), place, "answering")


@pytest.mark.parametrize("place", EXCEEDED_AT, ids=ids(EXCEEDED_AT))
def test_killed_while_a_provider_bills_more_than_was_held(shared: Scene, place: str) -> None:
    """What it bills is booked in full, wherever the worker is killed; then no call is let in."""
    load = Load(shared, f"exceeds-{place.replace(' ', '-')}", models=EXCEEDING)

    async def run() -> None:
        calling = asyncio.create_task(load.run(CALLS))
        await begun(calling, load, ok=10)
        shared.arm(place)
        await calling

    asyncio.run(run())
    (shared.faults / place).unlink(missing_ok=True)  # a budget that is shut leads to few places
    rows = check(shared, load)
    until(shared.healed, what="two workers")
    billed, load.statuses = shared.upstream.total(load.prefix), []
    assert any(row.model == "exceeds" and row.is_known for row in rows)
    asyncio.run(load.run(CALLS))
    assert set(load.statuses) == {422}
    assert shared.upstream.total(load.prefix) == billed
    correct(shared, load, rows)


def test_all_of_it_killed_at_once_and_started_again(
    tmp_path: Path, postgres_dsn: str, bills: BillingUpstream
) -> None:
    with scene(tmp_path, postgres_dsn, upstream=bills) as first:
        load = Load(first, "all-at-once", budget_nano=20 * BUDGET_NANO)

        async def run() -> None:
            calling = asyncio.create_task(load.run())
            await begun(calling, load, ok=40)
            for process in first.gateway.process.family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            await stopped(calling)

        asyncio.run(run())
        assert first.gateway.process.wait() == -signal.SIGKILL
    with scene(tmp_path, postgres_dsn, upstream=bills) as second:
        rows = check(second, load)
        assert any(row.outcome == "uncertain" for row in rows), "calls were under way"
        correct(second, load, rows)
    assert_at_rest(second)


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "own" / "postgres")
    yield server
    server.stop()


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().splitlines()[0])


def crash(server: EmbeddedPostgres) -> None:
    """As a power loss is to Postgres, but for the disk."""
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)


def test_postgres_killed_for_twenty_seconds_under_load(
    tmp_path: Path, own_postgres: EmbeddedPostgres, bills: BillingUpstream
) -> None:
    dsn = own_postgres.start()
    with scene(tmp_path, dsn, upstream=bills) as at:
        load = Load(at, "postgres-away", budget_nano=10**12)

        async def run() -> None:
            calling = asyncio.create_task(load.run(seconds=AWAY_S + 4))
            await asyncio.sleep(1.5)
            await asyncio.to_thread(crash, own_postgres)
            before = load.statuses.count(200)
            await asyncio.sleep(AWAY_S)
            assert load.statuses.count(200) > before + 100, "calls go on"
            await asyncio.to_thread(own_postgres.start)
            await calling

        asyncio.run(run())
        check(at, load)
    assert_at_rest(at)


@pytest.mark.parametrize("place", [ROWS_BOOKED, "place moved", "committed"])
def test_postgres_killed_in_the_middle_of_a_flush(
    tmp_path: Path, own_postgres: EmbeddedPostgres, bills: BillingUpstream, place: str
) -> None:
    dsn = own_postgres.start()
    with scene(tmp_path, dsn, upstream=bills) as at:
        load = Load(at, f"flush-{place.replace(' ', '-')}", budget_nano=10**12)

        async def run() -> None:
            calling = asyncio.create_task(load.run())
            await begun(calling, load, ok=10)
            for _ in range(2):
                at.arm(place, postmaster(own_postgres))
                while at.armed(place):  # noqa: ASYNC110  (nobody tells)
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(own_postgres.start)
            await stopped(calling)

        asyncio.run(run())
        check(at, load)
    assert_at_rest(at)


def test_a_full_disk_refuses_and_loses_nothing(
    tmp_path: Path, postgres_dsn: str, bills: BillingUpstream
) -> None:
    with scene(tmp_path, postgres_dsn, upstream=bills) as at:
        load = Load(at, "full-disk", budget_nano=10**12)

        async def run() -> None:
            at.arm(NO_ROOM)
            calling = asyncio.create_task(load.run())
            while load.statuses.count(503) < 50:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.01)
            (at.faults / NO_ROOM).unlink()
            before = load.statuses.count(200)
            while load.statuses.count(200) < before + 100:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.01)
            await stopped(calling)

        asyncio.run(run())
        rows = check(at, load)
        assert sum(row.outcome == "ok" for row in rows) > 100
    assert_at_rest(at)


@pytest.mark.parametrize("seed", [SEED])
def test_anything_at_any_time(
    tmp_path: Path, own_postgres: EmbeddedPostgres, bills: BillingUpstream, seed: str
) -> None:
    chance = random.Random(seed)
    places = [*PLACES, *AT_A_DEAD_WORKERS_END]
    dsn = own_postgres.start()
    with scene(tmp_path, dsn, upstream=bills) as at:
        load = Load(at, "any-time", budget_nano=20 * BUDGET_NANO)

        async def hurt() -> None:
            await asyncio.sleep(chance.random() * 1.5)
            what = chance.random()
            if what < 0.15:
                await asyncio.to_thread(crash, own_postgres)
                await asyncio.sleep(chance.random())
                await asyncio.to_thread(own_postgres.start)
            elif what < 0.3:
                with suppress(psutil.Error, IndexError):
                    at.gateway.process.workers()[chance.randrange(WORKERS)].kill()
            else:
                at.arm(chance.choice(places))

        async def run() -> None:
            calling = asyncio.create_task(load.run(seconds=RANDOM_S))
            while not calling.done():
                await hurt()
            await calling

        asyncio.run(run())
        for trap in at.faults.iterdir():
            trap.unlink()
        check(at, load, timeout_s=60)
    assert_at_rest(at)
