"""Budgets and limits over several workers. Each is a governor with connections of its own to one Postgres."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest

from runtime.limits.governor import Governor
from runtime.limits.leases import Leases, Shortfall
from runtime.limits.shortfalls import NotEnough
from runtime.limits.slices import Need, Taken, give_back
from schema.errors.overload import DatabaseUnavailable
from tests.conftest import execute
from tests.runtime.limits.lease_worker import Worker, at_once, book, budget, requests_a_minute
from tests.runtime.limits.losing import Losing

T = TypeVar("T")
CENT = 10**7
MAKE_TEAM = """INSERT INTO "LiteLLM_TeamTable" (team_id, models, team_member_permissions, access_group_ids)
               VALUES ('red', '{}', '{}', '{}')"""


def with_workers(dsn: str, count: int, scenario: Callable[[list[Worker]], Awaitable[T]]) -> T:
    """Run a scenario with so many workers; those that are left are stopped properly."""

    async def run(journals: Path) -> T:
        workers = [await Worker.start(dsn, journals) for _ in range(count)]
        try:
            return await scenario(workers)
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))
            await book(dsn, journals)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder)))


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    execute(postgres_dsn, MAKE_TEAM)
    return postgres_dsn


async def account(worker: Worker, name: str) -> asyncpg.Record:
    return await worker.database.pool.fetchrow('SELECT * FROM "Switchgear_Account" WHERE account = $1', name)


async def spent(worker: Worker) -> int:
    dollars = await worker.database.pool.fetchval(
        """SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = 'red'"""
    )
    return int(dollars * 10**9)


@pytest.mark.parametrize("count", [1, 4])
def test_of_200_calls_at_once_against_a_budget_for_one_exactly_one_passes(dsn: str, count: int) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule = budget("red", CENT)
        calls = [workers[number % count].admit((rule, CENT)) for number in range(200)]
        passed = [each for each in await asyncio.gather(*calls) if each is not None]
        assert len(passed) == 1

    with_workers(dsn, count, scenario)


def test_calls_one_after_the_other_whose_sum_is_the_budget_all_pass(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule = budget("red", 40 * CENT)
        for number in range(40):
            worker = workers[number % 4]
            taken = await worker.admit((rule, CENT))
            assert taken is not None, f"call {number} was refused"
            worker.settle(taken[0], CENT)
            if number % 3 == 0:
                await worker.flush()
        assert await workers[0].admit((rule, CENT)) is None
        await asyncio.gather(*(worker.flush() for worker in workers))
        assert await spent(workers[0]) == 40 * CENT

    with_workers(dsn, 4, scenario)


def test_what_a_call_did_not_use_is_there_for_the_next_one_elsewhere(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule = budget("red", 10 * CENT)
        for number in range(19):
            worker = workers[number % 2]
            taken = await worker.admit((rule, CENT))
            assert taken is not None, f"call {number} was refused"
            worker.settle(taken[0], CENT // 2)

    with_workers(dsn, 2, scenario)


def test_sixty_requests_a_minute_are_sixty_over_four_workers_and_a_skew(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule = requests_a_minute("k", 60)
        await until_a_minute_is_young(workers[0])
        skewed = [workers[0] if number % 10 else workers[1 + number // 10 % 3] for number in range(500)]
        passed = await asyncio.gather(*(worker.admit((rule, 1)) for worker in skewed))
        assert sum(each is not None for each in passed) == 60

    with_workers(dsn, 4, scenario)


def test_calls_at_once_are_limited_over_workers_and_come_back_when_they_end(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule = at_once("k", 5)
        passed = await asyncio.gather(*(workers[number % 4].admit((rule, 1)) for number in range(20)))
        held = [(number % 4, each[0]) for number, each in enumerate(passed) if each is not None]
        assert len(held) == 5
        place, taken = held[0]
        give_back(taken, 1)
        other = workers[(place + 1) % 4]
        assert await other.admit((rule, 1)) is not None
        assert await other.admit((rule, 1)) is None

    with_workers(dsn, 4, scenario)


@pytest.mark.parametrize(("limit", "answer_s"), [(3, 0.0), (1, 0.0), (3, 0.2)])
def test_a_worker_without_a_slot_gets_one_of_a_worker_that_never_has_a_free_one(
    dsn: str, limit: int, answer_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls wait at the busy worker, and take each slot in the moment in which it is free. So they do where
    Postgres takes longer to answer than a call waits for other workers."""
    fetch = Governor._fetch

    async def slow_fetch(self: Governor, short: Sequence[Need]) -> list[Shortfall]:
        await asyncio.sleep(answer_s)
        return await fetch(self, short)

    monkeypatch.setattr(Governor, "_fetch", slow_fetch)
    monkeypatch.setattr("runtime.limits.governor.OWED_S", 60.0)  # a busy machine may take its time

    async def scenario(workers: list[Worker]) -> None:
        busy, other = workers
        rule = at_once("k", limit)
        need = Need(rule, 1)
        under_way = [await busy.admit((rule, 1)) for _ in range(limit)]

        async def ends(taken: list[Taken] | None) -> list[Taken]:
            """A call of the busy worker ends. Gives what its next call finds in memory."""
            assert taken is not None
            give_back(taken[0], 1)
            busy.governor.ended(taken[0].slice)
            found = busy.governor.take([need])
            await busy.hear()
            return found

        told: list[str] = []
        other.governor.passed, busy.governor.passed = told.append, lambda account: told.append("busy")
        assert await other.admit((rule, 1)) is None
        await busy.hear()
        assert await ends(under_way[0]) == [], "it is owed to the other worker"
        for worker in workers:
            await worker.hear()
        assert set(told) == ({rule.account} if limit > 1 else {rule.account, "busy"}), "all that lack one"
        assert await other.admit((rule, 1)) is not None
        if limit > 1:  # the other worker has its share now
            assert await other.admit((rule, 1)) is None
            await busy.hear()
            assert await ends(under_way[1]) != []
        assert (await account(busy, rule.account))["leased"] == limit

    with_workers(dsn, 2, scenario)


def test_calls_that_lack_less_and_less_are_refused_one_after_the_other_by_one_recall(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker holds nearly all. Of calls that ask for less each time, none can use the refusal of the
    one before; each asks Postgres, and none waits for the other workers anew."""
    asked: list[Sequence[str]] = []
    recall = Leases.recall

    async def counted(self: Leases, accounts: Sequence[str]) -> None:
        asked.append(accounts)
        await recall(self, accounts)

    async def scenario(workers: list[Worker]) -> None:
        busy, other = workers
        rule = budget("red", 100 * CENT)
        taken = await busy.admit((rule, 99 * CENT))
        assert taken is not None
        monkeypatch.setattr(Leases, "recall", counted)
        calls = [other.admit((rule, (90 - number) * CENT)) for number in range(60)]
        assert await asyncio.gather(*calls) == [None] * 60
        busy.settle(taken[0], CENT)

    with_workers(dsn, 2, scenario)
    assert len(asked) <= 3


def test_a_slot_is_owed_for_a_while_alone_and_by_a_worker_with_more_than_its_share(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        rule, governor = at_once("k", 4), workers[0].governor
        taken = [await workers[0].admit((rule, 1)) for _ in range(2)]
        held = governor.slices._slices[rule.account]
        governor.recalled(f"2 {rule.account}")
        assert held.owed_until_mono == 0.0, "it has two itself"
        governor.recalled(f"1 {rule.account}")
        assert held.owed_until_mono > 0.0
        held.owed_until_mono = governor._clock() - 1
        for each in taken:
            assert each is not None
            give_back(each[0], 1)
            governor.ended(held)
        assert held.free == 2
        governor.recalled(f"x {rule.account}\n1 parallel:key:nobody\n1\n")

    with_workers(dsn, 1, scenario)


def test_a_refusal_takes_nothing_of_any_account(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        plenty, none = requests_a_minute("k", 100), budget("red", 0)
        assert await workers[0].admit((plenty, 1), (none, CENT)) is None
        row = await account(workers[0], plenty.account)
        assert row["leased"] == 0

    with_workers(dsn, 1, scenario)


def test_the_next_window_begins_at_zero_and_a_late_charge_stays_in_its_own(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 10 * CENT, duration="1s")
        late = await worker.admit((rule, 10 * CENT))
        assert late is not None
        assert await worker.admit((rule, CENT)) is None
        await until(worker, 'SELECT now() >= max(window_end) FROM "Switchgear_Account"')
        fresh = await worker.admit((rule, 10 * CENT))
        assert fresh is not None
        worker.settle(late[0], 10 * CENT)
        await worker.flush()
        assert await spent(worker) == 0
        worker.settle(fresh[0], 3 * CENT)
        await worker.flush()
        assert await spent(worker) in (0, 3 * CENT)

    with_workers(dsn, 1, scenario)


def test_a_slot_of_a_slice_that_was_dropped_is_owed_to_nobody(dsn: str) -> None:
    """The worker was silent for so long that others may have had its slots. An old call that ends takes none
    off the lease of a newer one."""

    async def scenario(workers: list[Worker]) -> None:
        slept, other = workers
        rule = at_once("slept", 2)
        (old,) = await slept.admit((rule, 1)) or []
        slept.governor.recalled(f"0 {rule.account}")
        slept.governor._seen_mono -= 20
        await slept.governor._beat()
        assert await slept.admit((rule, 1)) is not None
        give_back(old, 1)
        slept.governor.ended(old.slice)
        await slept.hear()
        assert (await account(slept, rule.account))["leased"] >= 1
        later = [await other.admit((rule, 1)) for _ in range(2)]
        assert sum(each is not None for each in later) == 1, "two calls at once are the limit"

    with_workers(dsn, 2, scenario)


def test_a_lowered_limit_is_in_force_when_the_change_is_announced(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        first, second = workers
        assert await first.admit((budget("red", 100 * CENT), CENT)) is not None
        lower = budget("red", 2 * CENT)
        for worker in workers:
            worker.governor.changed("team:red")
        assert await second.admit((lower, CENT)) is not None
        assert await first.admit((lower, CENT)) is None

    with_workers(dsn, 2, scenario)


def test_a_slice_that_was_leased_under_a_higher_limit_is_not_spent_under_a_lower_one(dsn: str) -> None:
    """As when a call that had passed authentication before the change leases after it."""

    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        assert await worker.admit((budget("red", 100 * CENT), CENT)) is not None
        lower = budget("red", 3 * CENT)
        passed = [await worker.admit((lower, CENT)) for _ in range(10)]
        assert sum(each is not None for each in passed) == 2

    with_workers(dsn, 1, scenario)


def test_a_rule_that_is_read_anew_is_found_by_its_new_rows(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        assert await worker.admit((rule, CENT)) is not None
        again = msgspec.structs.replace(rule, topics=("budget:b",))
        assert await worker.admit((again, CENT)) is not None
        worker.governor.changed("team:red")
        assert worker.governor.slices.remaining(again) > 50 * CENT
        worker.governor.changed("budget:b")
        await until(worker, f'SELECT leased = {2 * CENT} FROM "Switchgear_Account"')

    with_workers(dsn, 1, scenario)


def test_calls_that_are_cancelled_while_they_lease_lose_nothing(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        for _ in range(20):
            task = asyncio.create_task(worker.admit((rule, 30 * CENT)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(worker, 'SELECT coalesce(sum(leased), 0) = 0 FROM "Switchgear_Account"')
        assert await worker.admit((rule, 100 * CENT)) is not None

    with_workers(dsn, 1, scenario)


def test_what_could_not_be_returned_is_still_there(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        assert await worker.admit((rule, CENT)) is not None
        before = worker.governor.slices.remaining(rule)
        pool = worker.database.pool
        worker.database.pool = Unreachable()
        worker.governor.changed("team:red")
        await asyncio.sleep(0.05)
        worker.database.pool = pool
        assert worker.governor.slices.remaining(rule) == before

    with_workers(dsn, 1, scenario)


def test_slots_of_a_worker_that_was_out_of_sight_are_counted_anew(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = at_once("k", 2)
        taken = await worker.admit((rule, 1))
        assert taken is not None
        worker.governor._seen_mono -= 60
        await worker.governor._beat()
        give_back(taken[0], 1)
        assert await worker.admit((rule, 1)) is not None
        assert await worker.admit((rule, 1)) is not None
        assert await worker.admit((rule, 1)) is None

    with_workers(dsn, 1, scenario)


def test_a_worker_that_was_given_up_leases_under_a_new_name(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        before = worker.governor.worker
        await worker.database.pool.execute('UPDATE "Switchgear_Worker" SET given_up_at = now()')
        assert await worker.admit((budget("red", 100 * CENT), CENT)) is not None
        assert worker.governor.worker != before
        rows = await worker.database.pool.fetch('SELECT worker FROM "Switchgear_Lease"')
        assert [row["worker"] for row in rows] == [worker.governor.worker]

    with_workers(dsn, 1, scenario)


def test_what_this_worker_leased_while_a_call_asked_counts_for_it(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        assert await worker.admit((rule, CENT)) is not None
        worker.governor.changed("team:red")
        await until(worker, f'SELECT leased = {CENT} FROM "Switchgear_Account"')
        async with held_up(dsn):
            first = asyncio.create_task(worker.admit((rule, 30 * CENT)))
            await until(worker, WAITING_FOR_A_LOCK)
            first.cancel()
            second = asyncio.create_task(worker.admit((rule, 99 * CENT)))
            await asyncio.sleep(0.05)
        assert await second is not None

    with_workers(dsn, 1, scenario)


def test_a_call_does_not_overtake_what_its_own_worker_returns(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        assert await worker.admit((rule, CENT)) is not None
        worker.database.pool = SlowAtFirst(worker.database.pool)
        worker.governor.changed("team:red")
        assert await worker.admit((rule, 99 * CENT)) is not None

    with_workers(dsn, 1, scenario)


class SlowAtFirst:
    """A pool that has to open a connection for who asks first."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.asked = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[Any]:
        first, self.asked = not self.asked, True
        if first:
            await asyncio.sleep(0.2)
        async with self.pool.acquire(timeout=timeout) as connection:
            yield connection


WAITING_FOR_A_LOCK = """SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%switchgear_%'"""


@asynccontextmanager
async def held_up(dsn: str) -> AsyncIterator[None]:
    """While nobody can lease or return."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute('SELECT 1 FROM "Switchgear_Account" FOR UPDATE')
            yield
    finally:
        await connection.close()


def test_a_return_that_is_cut_off_is_made_again(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100 * CENT)
        taken = await worker.admit((rule, 100 * CENT))
        assert taken is not None
        give_back(taken[0], 100 * CENT)
        async with held_up(dsn):
            worker.governor.changed("team:red")
            await until(worker, WAITING_FOR_A_LOCK)
            await other.database.pool.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND query LIKE '%switchgear_return%'"""
            )
        await until(worker, 'SELECT leased = 0 FROM "Switchgear_Account"')
        assert await other.admit((rule, 100 * CENT)) is not None

    with_workers(dsn, 2, scenario)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "what", [("switchgear_return",), ("switchgear_lease",), ("switchgear_lease", "switchgear_undo")]
)
def test_an_answer_that_is_lost_neither_frees_nor_ties_up_anything(
    dsn: str, what: tuple[str, ...], done: bool
) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100 * CENT)
        settled, held = await worker.admit((rule, CENT)), await worker.admit((rule, 2 * CENT))
        assert settled is not None
        assert held is not None
        worker.settle(settled[0], CENT)  # not booked: the lease has it still
        pool = worker.database.pool
        worker.database.pool = Losing(pool, *what, done=done)
        worker.governor.changed("team:red")
        if "switchgear_lease" in what:
            with pytest.raises(DatabaseUnavailable):
                await worker.admit((rule, 60 * CENT))
        assert await other.admit((rule, 98 * CENT)) is None, "less is left"
        assert await other.admit((rule, 97 * CENT)) is not None
        row = await account(worker, rule.account)
        assert row["leased"] == 100 * CENT
        await worker.flush()
        assert (await account(worker, rule.account))["leased"] == 99 * CENT

    with_workers(dsn, 2, scenario)


def test_a_lease_that_was_undone_is_not_done_when_it_arrives_late(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        pool = worker.database.pool
        late = Losing(pool, "switchgear_lease", done=False)
        worker.database.pool = late
        with pytest.raises(DatabaseUnavailable):
            await worker.admit((rule, 60 * CENT))
        assert await worker.admit((rule, CENT)) is not None
        before = (await account(worker, rule.account))["leased"]
        with pytest.raises(asyncpg.PostgresError, match="asked for something else"):
            await pool.fetch(*late.lost)
        assert (await account(worker, rule.account))["leased"] == before

    with_workers(dsn, 1, scenario)


@pytest.mark.parametrize("what", ["return", "lease"])
def test_the_victim_of_a_deadlock_loses_nothing(dsn: str, what: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        first, second = budget("red", 100 * CENT), at_once("k", 9)
        taken = await worker.admit((first, CENT), (second, 1))
        assert taken is not None
        give_back(taken[0], CENT)
        give_back(taken[1], 1)
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL deadlock_timeout = '60s'")
                await connection.execute(LOCK_ACCOUNT, second.account)
                if what == "return":
                    worker.governor._return(worker.governor.slices.recall([first.account, second.account]))
                else:
                    asking = asyncio.create_task(worker.admit((first, 80 * CENT), (second, 5)))
                await until(worker, WAITING_FOR_A_LOCK)
                await connection.execute(LOCK_ACCOUNT, first.account)
        finally:
            await connection.close()
        if what == "lease":
            assert await asking is not None
        else:
            assert await worker.admit((first, 100 * CENT), (second, 9)) is not None

    with_workers(dsn, 1, scenario)


LOCK_ACCOUNT = 'SELECT 1 FROM "Switchgear_Account" WHERE account = $1 FOR UPDATE'


class Unreachable:
    """A pool without a connection to be had."""

    def acquire(self, timeout: float) -> object:
        raise OSError("nobody answers")


def test_spend_set_to_zero_by_sql_frees_the_budget(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", CENT)
        taken = await worker.admit((rule, CENT))
        assert taken is not None
        worker.settle(taken[0], CENT)
        await worker.flush()
        assert await worker.admit((rule, CENT)) is None
        await worker.database.pool.execute('UPDATE "LiteLLM_TeamTable" SET spend = 0')
        assert await worker.admit((rule, CENT)) is not None

    with_workers(dsn, 1, scenario)


@pytest.mark.parametrize("spend", ["'NaN'", "1e30", "'Infinity'"])
def test_a_spend_that_no_budget_can_have_shuts_it(dsn: str, spend: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        await worker.database.pool.execute(f'UPDATE "LiteLLM_TeamTable" SET spend = {spend}')
        assert await worker.admit((budget("red", CENT), 1)) is None

    with_workers(dsn, 1, scenario)


def test_what_ended_long_ago_is_tidied_away(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = requests_a_minute("k", 5)
        assert await worker.admit((rule, 1), (budget("red", CENT), CENT)) is not None
        pool = worker.database.pool
        await pool.execute(
            """UPDATE "Switchgear_Account" SET window_end = now() - interval '2 h' WHERE duration = '1m'"""
        )
        await worker.governor.tidy()
        rows = await pool.fetch('SELECT account FROM "Switchgear_Account"')
        assert [row["account"] for row in rows] == ["money:team:red"]
        assert await worker.admit((rule, 1)) is not None

    with_workers(dsn, 1, scenario)


def test_idle_slices_go_back_after_two_seconds(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        taken = await worker.admit((rule, CENT))
        assert taken is not None
        assert (await account(worker, rule.account))["leased"] == 25 * CENT
        await until(worker, f'SELECT leased = {CENT} FROM "Switchgear_Account"')
        worker.settle(taken[0], CENT)
        await worker.flush()
        row = await account(worker, rule.account)
        assert (row["leased"], await spent(worker)) == (0, CENT)

    with_workers(dsn, 1, scenario)


def test_what_a_dead_worker_held_is_charged_where_it_is_written_off(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(workers: list[Worker]) -> None:
        alive = workers[0]
        dead = await Worker.start(dsn, alive.journals)
        rule = budget("red", 100 * CENT)
        taken = await dead.admit((rule, CENT))
        assert taken is not None
        dead.settle(taken[0], CENT)
        await dead.die()
        leased = (await account(alive, rule.account))["leased"]
        assert leased > CENT
        assert await spent(alive) == 0
        await alive.database.pool.execute(
            """UPDATE "Switchgear_Worker" SET seen_at = seen_at - interval '61 s' WHERE worker = $1""",
            dead.governor.worker,
        )
        await alive.governor.tidy()
        assert (await account(alive, rule.account))["leased"] == leased, "it stays charged, and says so"
        assert "is silent for 6" in caplog.text
        alive.governor._orphan_after_s = 60.0
        await alive.governor.tidy()
        assert await spent(alive) == leased
        assert (await account(alive, rule.account))["leased"] == 0
        await alive.flush()  # its journal turns up, and is exact
        assert await spent(alive) == CENT

    with_workers(dsn, 1, scenario)


def test_what_a_dead_worker_held_is_free_again_once_its_journal_is_replayed(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        alive = workers[0]
        dead = await Worker.start(dsn, alive.journals)
        rule = budget("red", 100 * CENT)
        settled, under_way = await dead.admit((rule, CENT)), await dead.admit((rule, 3 * CENT))
        assert settled is not None
        assert under_way is not None
        dead.settle(settled[0], CENT // 2)
        await dead.die()
        await alive.flush()
        assert await spent(alive) == CENT // 2 + 3 * CENT
        assert (await account(alive, rule.account))["leased"] == 0
        rows = await alive.database.pool.fetch(
            'SELECT outcome, spend FROM "LiteLLM_SpendLogs" ORDER BY outcome'
        )
        assert [(row["outcome"], row["spend"]) for row in rows] == [
            ("ok", Decimal("0.005")),
            ("uncertain", Decimal("0.03")),
        ]

    with_workers(dsn, 1, scenario)


def test_parallel_slots_of_a_dead_worker_are_free_again(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        alive = workers[0]
        dead = await Worker.start(dsn, alive.journals)
        rule = at_once("k", 1)
        assert await dead.admit((rule, 1)) is not None
        await dead.die()
        assert await alive.admit((rule, 1)) is None
        await alive.database.pool.execute(
            """UPDATE "Switchgear_Worker" SET seen_at = seen_at - interval '16 s' WHERE worker = $1""",
            dead.governor.worker,
        )
        assert await alive.admit((rule, 1)) is not None

    with_workers(dsn, 1, scenario)


def test_a_worker_that_was_given_up_begins_anew(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        frozen, other = workers
        rule = budget("red", 100 * CENT)
        assert await frozen.admit((rule, CENT)) is not None
        before = frozen.governor.worker
        await frozen.database.pool.execute(
            'UPDATE "Switchgear_Worker" SET given_up_at = now() WHERE worker = $1', before
        )
        await until(
            other,
            'SELECT count(*) = 2 FROM "Switchgear_Worker" WHERE given_up_at IS NULL',
        )
        assert frozen.governor.worker != before
        assert await frozen.admit((rule, CENT)) is not None

    with_workers(dsn, 2, scenario)


def test_the_refusal_says_how_the_account_stands(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 10 * CENT)
        assert await worker.admit((rule, 8 * CENT)) is not None
        with pytest.raises(NotEnough) as caught:
            await worker.governor.admit([Need(rule, 5 * CENT)])
        (standing,) = caught.value.standings
        assert (standing.spent, standing.leased, standing.limit) == (0, 8 * CENT, 10 * CENT)

    with_workers(dsn, 1, scenario)


def test_a_worker_that_stops_leaves_nothing_behind(dsn: str) -> None:
    async def use(workers: list[Worker]) -> None:
        taken = await workers[0].admit((budget("red", 100 * CENT), CENT), (at_once("k", 9), 1))
        assert taken is not None
        workers[0].settle(taken[0], CENT)

    async def look() -> None:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch('SELECT account, leased FROM "Switchgear_Account"')
        assert {row["account"]: row["leased"] for row in rows} == {
            "money:team:red": 0,
            "parallel:key:k": 0,
        }
        assert await connection.fetchval('SELECT count(*) FROM "Switchgear_Lease"') == 0
        assert await connection.fetchval('SELECT count(*) FROM "Switchgear_Worker"') == 0
        await connection.close()

    with_workers(dsn, 1, use)
    asyncio.run(look())


async def until(worker: Worker, sql: str, within_s: float = 6.0) -> None:
    """Wait until a query says true."""
    async with asyncio.timeout(within_s):
        while not await worker.database.pool.fetchval(sql):  # noqa: ASYNC110  (it is another process's)
            await asyncio.sleep(0.02)


async def until_a_minute_is_young(worker: Worker) -> None:
    """So that what follows falls into one minute."""
    seconds = await worker.database.pool.fetchval("SELECT extract(second FROM now())::float8")
    if seconds > 50:
        await asyncio.sleep(60.1 - seconds)
