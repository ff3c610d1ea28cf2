"""Leasing from budgets and limits in Postgres: the SQL functions, as calls. No policy here.

Functions: `schema/tables/piccolo_migrations/switchgear_2026_11_29t02_00_00_000000.py`; tables:
`schema/tables/leases.py`. What holds between them and the slices in memory: `runtime/limits/lease_turns.py`.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import asyncpg
import msgspec

from runtime.limits.lease_turns import BUSY, RETURN, Asked, NotDone, Turns
from runtime.limits.slices import HAVE_LEASES, Need, Slice
from runtime.postgres.database import Database
from runtime.postgres.listener import RECALL
from schema.errors import DatabaseUnavailable, Overloaded
from schema.limits import Meter
from schema.window import window

LIVES_S = 15.0
"""A worker that was not seen for so long is not counted, and its parallel slots are free again."""
ORPHANED_S = 60.0
"""After so long what it holds of budgets is said to be an orphan. It stays charged until its journal is
replayed, or somebody writes it off."""
GIVEN_UP = "SG001"
"""The error of `switchgear_lease` for a worker that was given up."""
FENCED = "SG002"
"""Its error for a statement that was overtaken: it was not done."""
MAX_PAYLOAD = 7_000
TRIES = 3

_LEASE = """SELECT * FROM switchgear_lease($1, $2, $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12)"""
_BEAT = """
    INSERT INTO "Switchgear_Worker" AS w (worker, started_at, seen_at)
    VALUES ($1, clock_timestamp(), clock_timestamp())
    ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at WHERE w.given_up_at IS NULL
    RETURNING extract(epoch FROM seen_at)::float8
"""

_ORPHANS = """
    SELECT w.worker, extract(epoch FROM clock_timestamp() - w.seen_at)::float8 AS silent_s,
           sum(l.amount)::bigint AS amount
    FROM "Switchgear_Worker" w JOIN "Switchgear_Lease" l USING (worker)
    WHERE w.given_up_at IS NULL AND l.amount > 0 AND l.account LIKE 'money:%'
      AND w.seen_at < clock_timestamp() - $1::interval
    GROUP BY 1, 2 LIMIT 100
"""
_TIDY = (
    """DELETE FROM "Switchgear_Journal" WHERE finished_at < now() - interval '7 days'""",
    """DELETE FROM "Switchgear_Worker" w WHERE given_up_at < now() - interval '1 day'
       AND NOT EXISTS (SELECT 1 FROM "Switchgear_Lease" l WHERE l.worker = w.worker)""",
    """DELETE FROM "Switchgear_Account" a WHERE kind = '' AND window_end < now() - interval '1 hour'
       AND NOT EXISTS (SELECT 1 FROM "Switchgear_Lease" l WHERE l.account = a.account)""",
)
"""What nobody needs: workers that are gone, and windows that ended long ago. (Where the money spent stands in
another row, the account's window is what says when that begins anew: it stays.)"""
_TIDY_OWN = """DELETE FROM "Switchgear_Lease"
    WHERE worker = $1 AND amount = 0 AND written_off = 0 AND ticket <= $2"""
"""An empty lease says which ticket changed it last, as long as that can be asked again."""

log = logging.getLogger(__name__)


class Shortfall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an account stood when a lease could not be had. Amounts are in the meter's unit; `need`
    is what was missing beside what this worker has."""

    need: Need
    limit: int
    spent: int
    leased: int
    """By all workers: held by calls, settled and not yet booked, or free."""
    mine: int
    """This worker's part of `leased`."""
    silent: int
    """The part of `leased` that workers have who were not seen for LIVES_S."""
    workers: int
    window_end_s: float


class WorkerLost(Exception):
    """This worker was silent for too long, and what it held was charged: it begins anew."""


@contextmanager
def _noticing_loss() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as exc:
        if exc.sqlstate == GIVEN_UP:
            raise WorkerLost from exc
        if exc.sqlstate == FENCED:
            raise NotDone from exc
        raise


class Leases:
    """One worker's. `zone` is where budget windows follow the calendar."""

    def __init__(self, database: Database, zone: tzinfo, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._zone = zone
        self._clock = clock
        self._turns = Turns(database)
        self.worker = str(uuid.uuid4())
        self._ahead_s = time.time() - clock()
        """What turns our monotonic time into the database's; never behind it."""

    @property
    def now_s(self) -> float:
        """The database's time, as far as is known: seconds since 1970, at most a round trip ahead."""
        return self._clock() + self._ahead_s

    async def lease(self, needs: Sequence[Need], now_s: float) -> tuple[list[Slice], list[Shortfall]]:
        """Lease all that is missing, or nothing: then the accounts that were short. Raises
        DatabaseUnavailable: then nothing is leased, or will be nothing before anybody asks again."""
        needs = sorted(needs, key=lambda need: need.rule.account)
        for _ in range(TRIES):
            asked_mono, rows = await self._answer(needs, now_s)
            db_now_s = rows[0]["db_now"].timestamp()
            self._ahead_s = db_now_s - asked_mono
            if all(row["state"] != "window" for row in rows):
                break
            now_s = db_now_s
        else:
            raise Overloaded("The database's clock could not be followed; try again.", retry_after_s=1)
        pairs = list(zip(needs, rows, strict=True))
        if all(row["state"] == "granted" for row in rows):
            return [self._slice(need, row, asked_mono, now_s) for need, row in pairs], []
        return [], [
            Shortfall(
                need=need,
                limit=need.rule.limit_at(now_s),
                spent=row["spent"],
                leased=row["leased"],
                mine=row["mine"],
                silent=row["silent"],
                workers=row["workers"],
                window_end_s=_seconds(row["window_end"]),
            )
            for need, row in pairs
            if row["state"] != "enough"
        ]

    async def give_back(self, out: Sequence[tuple[Slice, int]]) -> list[tuple[Slice, int]]:
        """Return what is free. Gives what is this worker's still: nothing was done about it. Where nobody
        knows, it will be returned, once."""
        by_worker: dict[str, list[tuple[Slice, int]]] = {}
        for held, amount in out:
            by_worker.setdefault(held.worker, []).append((held, amount))
        kept: list[tuple[Slice, int]] = []
        for worker, mine in by_worker.items():
            try:
                await self._return(worker, mine)
            except NotDone:
                kept += mine
            except DatabaseUnavailable:
                log.warning("%d leases were returned, or will be: the answer was lost", len(mine))
        return kept

    async def clear_up(self) -> None:
        """Bring to an end what had no answer. Raises DatabaseUnavailable."""
        await self._turns.clear_up()

    async def recall(self, accounts: Sequence[str]) -> None:
        """Ask every worker to return what it does not use of these."""
        payload = "\n".join(accounts)
        if len(payload.encode()) > MAX_PAYLOAD:
            payload = "all"
        async with self._database.connection() as connection:
            await connection.execute("SELECT pg_notify($1, $2)", RECALL, payload)

    async def beat(self) -> None:
        """Say that this worker lives. Raises WorkerLost where it was given up, DatabaseUnavailable."""
        asked_mono = self._clock()
        async with self._database.connection() as connection:
            seen_s = await connection.fetchval(_BEAT, self.worker)
        if seen_s is None:
            raise WorkerLost
        self._ahead_s = seen_s - asked_mono

    async def drop_slots(self) -> None:
        """Give up all parallel slots in this worker's name. Raises DatabaseUnavailable."""
        async with self._database.connection() as connection:
            await connection.execute("SELECT switchgear_drop_slots($1)", self.worker)

    def begin_anew(self) -> None:
        self.worker = str(uuid.uuid4())

    async def orphans(self) -> list[tuple[str, float, int]]:
        """Workers that are silent and hold money: their names, for how many seconds, and nano-USD."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ORPHANS, timedelta(seconds=ORPHANED_S))
        return [(row["worker"], row["silent_s"], row["amount"]) for row in rows]

    async def give_up(self, silent_s: float) -> list[tuple[str, str, int]]:
        """Charge what workers held of budgets that were silent for so long; gives worker, account and
        nano-USD."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM switchgear_give_up($1)", timedelta(seconds=silent_s))
        return [(row["worker"], row["name"], row["amount"]) for row in rows]

    async def tidy(self) -> None:
        """Delete what nobody needs any more."""
        async with self._database.connection() as connection:
            await connection.execute(_TIDY_OWN, self.worker, self._turns.over)
            for statement in _TIDY:
                await connection.execute(statement)

    async def _return(self, worker: str, out: Sequence[tuple[Slice, int]]) -> None:
        async with self._turns.turn(held.rule.account for held, _ in out) as ticket:
            sure = [(held, amount) for held, amount in out if held.rule.meter in HAVE_LEASES]
            asked = Asked(
                ticket=ticket,
                worker=worker,
                accounts=tuple(held.rule.account for held, _ in sure),
                epochs=tuple(held.epoch for held, _ in sure),
                amounts=tuple(amount for _, amount in sure),
            )
            async with self._turns.asking(asked) as connection:
                await connection.execute(
                    RETURN,
                    worker,
                    ticket,
                    [held.rule.account for held, _ in out],
                    [held.epoch for held, _ in out],
                    [amount for _, amount in out],
                )

    async def _answer(self, needs: Sequence[Need], now_s: float) -> tuple[float, list[asyncpg.Record]]:
        """When it was asked, and what Postgres says; asked again where that was rolled back."""
        for tries_left in reversed(range(TRIES)):
            try:
                return await self._ask(needs, now_s)
            except NotDone as exc:
                if not tries_left or not isinstance(exc.__cause__, asyncpg.PostgresError):
                    raise DatabaseUnavailable(BUSY) from exc
        raise AssertionError("the last try returns or raises")

    async def _ask(self, needs: Sequence[Need], now_s: float) -> tuple[float, list[asyncpg.Record]]:
        rules = [need.rule for need in needs]
        async with self._turns.turn(rule.account for rule in rules) as ticket:
            asked = Asked(
                ticket=ticket,
                worker=self.worker,
                accounts=tuple(rule.account for rule in rules if rule.meter in HAVE_LEASES),
            )
            at, asked_mono = datetime.fromtimestamp(self.now_s, UTC), self._clock()
            windows = [
                (None, None) if rule.duration is None else window(at, rule.duration, self._zone)
                for rule in rules
            ]
            async with self._turns.asking(asked) as connection:
                with _noticing_loss():
                    rows = await connection.fetch(
                        _LEASE,
                        asked.worker,
                        timedelta(seconds=LIVES_S),
                        [rule.account for rule in rules],
                        [
                            rule.holder.kind if _stands_elsewhere(need) else ""
                            for need, rule in zip(needs, rules, strict=True)
                        ],
                        [rule.holder.object_id for rule in rules],
                        [rule.holder.part for rule in rules],
                        [rule.duration for rule in rules],
                        [start for start, _ in windows],
                        [end for _, end in windows],
                        [rule.limit_at(now_s) for rule in rules],
                        [need.amount for need in needs],
                        ticket,
                    )
            return asked_mono, rows

    def _slice(self, need: Need, row: asyncpg.Record, asked_mono: float, now_s: float) -> Slice:
        rule, window_end_s = need.rule, _seconds(row["window_end"])
        until_mono = float("inf")
        if window_end_s:
            until_mono = asked_mono + window_end_s - row["db_now"].timestamp()
        if rule.extra and now_s < rule.extra_until:
            until_mono = min(until_mono, asked_mono + rule.extra_until - now_s)
        if rule.meter is Meter.PARALLEL:
            until_mono = asked_mono + LIVES_S * 2 / 3
        limit = rule.limit_at(now_s)
        return Slice(
            rule=rule,
            epoch=row["epoch"],
            worker=self.worker,
            free=row["granted"],
            until_mono=until_mono,
            used_mono=asked_mono,
            limit=limit,
            elsewhere=row["spent"] + row["leased"] + row["granted"],
            window_end_s=window_end_s,
        )


def _stands_elsewhere(need: Need) -> bool:
    """Whether the money spent stands in a row of its own (a key's, a team's), not in the account."""
    return need.rule.meter is Meter.MONEY and bool(need.rule.holder.kind)


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
