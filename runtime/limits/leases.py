"""Leases from budgets and limits in Postgres: this file calls the SQL functions. It decides nothing.

The SQL functions are in `schema/tables/piccolo_migrations/switchgear_2026_11_29t02_00_00_000000.py`, the
tables in `schema/tables/leases.py`. `runtime/limits/lease_turns.py` says what is always true between the
tables and the slices in memory.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType

import asyncpg
import msgspec

from runtime.limits.lease_turns import BUSY, RETURN, ROLLED_BACK, Asked, NotDone, Turns
from runtime.limits.slices import HAVE_LEASES, Need, Slice
from runtime.postgres.database import Database
from runtime.postgres.listener import RECALL
from schema.errors.overload import DatabaseUnavailable, Overloaded
from schema.limits import Meter
from schema.window import window

LIVES_S = 15.0
"""A worker that did not beat for so long is not counted, and its parallel slots are free again."""
ORPHANED_S = 60.0
"""What a worker holds of budgets is reported as an orphan when the worker did not beat for so long. It stays
charged until the worker's journal is replayed, or somebody writes it off."""
GIVEN_UP = "SG001"
"""The SQLSTATE of `switchgear_lease` for a worker that was given up."""
FENCED = "SG002"
"""The SQLSTATE of `switchgear_lease` for a statement that was undone before it began. It did nothing."""
MAX_PAYLOAD = 7_000
"""Bytes of one notification. Postgres allows 8000."""
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
_NAMED = """(CASE WHEN strpos(a.account, '%') = 0 THEN split_part(a.account, ':', {place}) ELSE (
    SELECT convert_from(string_agg(
        CASE WHEN m[1] IS NULL THEN convert_to(m[2], 'UTF8') ELSE decode(m[1], 'hex') END, ''
        ORDER BY n), 'UTF8')
    FROM regexp_matches(split_part(a.account, ':', {place}), '%([0-9A-F]{{2}})|([^%]+)', 'g')
        WITH ORDINALITY AS pieces (m, n)) END)"""
"""The expression for an id in an account's name, without the quotes (`Level.account`). Place 3 has the
owner's id, and place 4 a member's. A name without quotes is not searched for any: among 200,000 customers
that is 1 s of Postgres, and not 7."""
_SLOTS_OF = """
    DELETE FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Account" a
        WHERE account LIKE 'parallel:{kind}:%' AND account !~ '%00' AND leased = 0
          AND NOT EXISTS (SELECT 1 FROM "Switchgear_Lease" l WHERE l.account = a.account)
          AND NOT EXISTS ({owner})
        LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""
"""The statement that deletes the accounts of slots whose owner is gone. They have no window whose end would
delete them. No owner has an id with a zero byte (`%00`), which Postgres has no text for."""
_OWNERS: Mapping[str, str] = MappingProxyType(
    {
        "key": """SELECT 1 FROM "LiteLLM_VerificationToken" WHERE key_id = {id}""",
        "team": """SELECT 1 FROM "LiteLLM_TeamTable" WHERE team_id = {id}""",
        "user": """SELECT 1 FROM "LiteLLM_UserTable" WHERE user_id = {id}""",
        "member": """SELECT 1 FROM "LiteLLM_TeamMembership" WHERE team_id = {id} AND user_id = {part}""",
        "project": """SELECT 1 FROM "LiteLLM_ProjectTable" WHERE project_id = {id}""",
        "organization": """SELECT 1 FROM "LiteLLM_OrganizationTable" WHERE organization_id = {id}""",
        "tag": """SELECT 1 FROM "LiteLLM_TagTable" WHERE tag_name = {id}""",
        "customer": """SELECT 1 FROM "LiteLLM_EndUserTable" WHERE user_id = {id}""",
        "end_user": """SELECT 1 WHERE false""",
    }
)
"""The queries for the owners of slots, by kind. A customer that nobody entered has no row, and neither has
one under a key's budget (`end_user`): their slots go as soon as no call has one."""
_TIDY = (
    """DELETE FROM "Switchgear_Journal" WHERE finished_at < now() - interval '7 days'""",
    """DELETE FROM "Switchgear_Worker" w WHERE given_up_at < now() - interval '1 day'
       AND NOT EXISTS (SELECT 1 FROM "Switchgear_Lease" l WHERE l.worker = w.worker)""",
    """DELETE FROM "Switchgear_Account" a WHERE kind = '' AND window_end < now() - interval '1 hour'
       AND NOT EXISTS (SELECT 1 FROM "Switchgear_Lease" l WHERE l.account = a.account)""",
    *(
        _SLOTS_OF.format(
            kind=kind.replace("_", r"\_"),
            owner=owner.format(id=_NAMED.format(place=3), part=_NAMED.format(place=4)),
        )
        for kind, owner in _OWNERS.items()
    ),
)
"""The statements that delete what nobody needs: journals that were read to their end, workers that were given
up, windows that ended long ago, and slots of owners that were deleted. An account with a `kind` stays: the
money spent stands in the row of a key, a team and so on, and only the account's window says when that sum
starts again."""
_TIDY_OWN = """DELETE FROM "Switchgear_Lease"
    WHERE worker = $1 AND amount = 0 AND written_off = 0 AND ticket <= $2"""
"""The statement that deletes this worker's empty leases. An empty lease is kept while the statement with its
ticket can be asked again: the ticket shows that the statement was done."""

log = logging.getLogger(__name__)


class Shortfall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How an account stood when a lease was refused. Amounts are in the meter's unit."""

    need: Need
    """What was missing, beside what this worker already had."""
    limit: int
    spent: int
    leased: int
    """What all workers have leased: held by calls, settled and not yet booked, or free. For a limit on
    requests or tokens it includes what was used in the window."""
    mine: int
    """This worker's part of `leased`."""
    silent: int
    """The part of `leased` that belongs to workers that did not beat for LIVES_S."""
    workers: int
    """How many workers live, this one included."""
    window_end_s: float
    """The end of the window, in seconds since 1970. 0 where the account has no window."""


class WorkerLost(Exception):
    """This worker was silent for too long, and what it held was charged. The worker must begin anew."""


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
    """The leases of one worker. Budget windows follow the calendar of the time zone `zone`."""

    def __init__(self, database: Database, zone: tzinfo, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._zone = zone
        self._clock = clock
        self._turns = Turns(database)
        self.worker = str(uuid.uuid4())
        self._ahead_s = time.time() - clock()
        """The database's time less this process's monotonic time. Their sum is never behind the database's
        time."""

    @property
    def now_s(self) -> float:
        """The database's time as far as it is known, in seconds since 1970. It is ahead by one round trip at
        most."""
        return self._clock() + self._ahead_s

    async def lease(self, needs: Sequence[Need], now_s: float) -> tuple[list[Slice], list[Shortfall]]:
        """Lease all needs or none. Gives the slices, or the accounts that were short. Raises
        DatabaseUnavailable: then nothing was leased, or the lease is undone before the next statement about
        these accounts. Raises Overloaded where the window that this worker proposes does not hold the
        database's time, at each of three tries."""
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
        """Return these amounts. Gives those that were certainly not returned, so that this worker has them
        still. A return whose answer was lost is asked again later, and is done once."""
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
        """Bring every statement without an answer to an end. Raises DatabaseUnavailable."""
        await self._turns.clear_up()

    async def recall(self, accounts: Sequence[str]) -> None:
        """Ask every worker to return what it does not use of these accounts. Raises DatabaseUnavailable."""
        payload = "\n".join(accounts)
        if len(payload.encode()) > MAX_PAYLOAD:
            payload = "all"
        async with self._database.connection() as connection:
            await connection.execute("SELECT pg_notify($1, $2)", RECALL, payload)

    async def beat(self) -> None:
        """Say in Postgres that this worker lives. Raises WorkerLost where the worker was given up, or
        DatabaseUnavailable."""
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
        """Give this worker a new name. Its old leases belong to the old name, and were charged."""
        self.worker = str(uuid.uuid4())

    async def orphans(self) -> list[tuple[str, float, int]]:
        """The workers that are silent and hold money: the name, how many seconds silent, how much in
        nano-USD."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ORPHANS, timedelta(seconds=ORPHANED_S))
        return [(row["worker"], row["silent_s"], row["amount"]) for row in rows]

    async def give_up(self, silent_s: float) -> list[tuple[str, str, int]]:
        """Charge what workers held of budgets, for workers that were silent for `silent_s` seconds. Gives the
        worker, the account and the nano-USD of each."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM switchgear_give_up($1)", timedelta(seconds=silent_s))
        return [(row["worker"], row["name"], row["amount"]) for row in rows]

    async def tidy(self) -> None:
        """Delete what nobody needs any more. What can't be deleted is logged, and stays. Raises
        DatabaseUnavailable."""
        await self._deleted(_TIDY_OWN, self.worker, self._turns.over)
        for statement in _TIDY:
            await self._deleted(statement)

    async def _deleted(self, statement: str, *arguments: object) -> None:
        try:
            async with self._database.connection() as connection:
                await connection.execute(statement, *arguments)
        except asyncpg.PostgresError as exc:
            log.error("what nobody needs any more could not be deleted: %s", exc)
        except DatabaseUnavailable as exc:
            if not isinstance(exc.__cause__, ROLLED_BACK):
                raise
            log.error("what nobody needs any more could not be deleted in time: %s", exc.__cause__)

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
        """When Postgres was asked, by the monotonic clock, and its rows. A statement that was rolled back is
        asked again."""
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
            spent=row["spent"],
            told_spent=row["spent"],
            window_end_s=window_end_s,
        )


def _stands_elsewhere(need: Need) -> bool:
    """Whether the money spent stands in the holder's own row (a key's, a team's) and not in the account."""
    return need.rule.meter is Meter.MONEY and bool(need.rule.holder.kind)


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
