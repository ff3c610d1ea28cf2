"""Alerts: one log line, one row and one webhook for each kind and object, until it is over.

One process of each data directory raises all alerts: the bookkeeper. It sees every row, every journal, and
whether Postgres answers. An alert waits in memory until `store` brings it to Postgres. Where Postgres has an
open row with the same kind and object, that row counts one more. While Postgres is away, an alert is told
once and stored later.
"""

import logging
import re
import socket
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import structlog

from runtime.postgres.errors import UNSTORABLE
from runtime.telemetry.deliveries import Deliveries, Post
from runtime.telemetry.webhooks import Webhook
from schema.alerts import STATES, AlertKind, AlertRecord

AGAIN_AFTER = timedelta(days=1)
"""The alert of an event is over after so long. The same event is a new alert after that."""
RENEWED_WITHIN = timedelta(minutes=15)
"""The alert of a state is over when nobody has said for so long that the state goes on. For example, its host
is gone."""
END_OLD_S = 60.0
"""How often old alerts are ended."""
MAX_WAITING = 1_000
"""How many alerts wait to be stored at most. Further ones are logged and dropped."""
MAX_OF_CUSTOMERS = MAX_WAITING // 2
"""When so many alerts wait, further alerts about customers' budgets are dropped, and other alerts are still
taken. Callers choose the names of customers, and may choose many."""
_OF_A_CUSTOMER = re.compile(r"(?:window \S+ of |model .* of )?customer:")
"""Matches the object of an alert about a customer's budget, such as `window 1d of customer:carol`."""
MAX_OBJECT_CHARS = 500
MAX_MESSAGE_CHARS = 1_000

_AlertKey = tuple[str, str]
"""The kind and the object of an alert."""

_END_BEFORE = """UPDATE "Switchgear_Alert" SET ended_at = last_at
    WHERE kind = $1 AND object = $2 AND ended_at IS NULL
    AND first_at < greatest(clock_timestamp() - $3::interval, $4::timestamptz)"""
_END_OLD = """UPDATE "Switchgear_Alert"
    SET ended_at = CASE WHEN kind = ANY ($1) THEN last_at ELSE first_at + $3::interval END
    WHERE ended_at IS NULL AND CASE WHEN kind = ANY ($1) THEN last_at < clock_timestamp() - $2::interval
    ELSE first_at < clock_timestamp() - $3::interval END"""
_RAISE = """
    INSERT INTO "Switchgear_Alert" AS a (id, kind, object, message, host, first_at, last_at, times, told_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (kind, object) WHERE ended_at IS NULL
    DO UPDATE SET last_at = excluded.last_at, times = a.times + excluded.times
    RETURNING id = $1 AS is_new
"""
_END = """UPDATE "Switchgear_Alert" SET ended_at = clock_timestamp()
    WHERE kind = $1 AND object = $2 AND ended_at IS NULL"""
_TOLD = """UPDATE "Switchgear_Alert" SET told_at = clock_timestamp() WHERE id = ANY ($1)"""
_UNTOLD = """
    SELECT id, kind, object, message, host, first_at, last_at, times FROM "Switchgear_Alert"
    WHERE regexp_replace(host, '^.*/', '') = $1 AND told_at IS NULL
    AND first_at > clock_timestamp() - interval '1 hour' LIMIT 100
"""
PASSING = (
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock that was not free in time
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,  # deadlocks too
)
"""Errors that one alert's row can cause while the rows of other alerts can be written."""

log = structlog.get_logger("switchgear.alert")
plain_log = logging.getLogger(__name__)


class Desk:
    """The alerts of one process. `post` calls a webhook. `host` names the data directory that the alerts are
    about, such as `web-1/3f2a9c01`; two data directories on one machine have different names."""

    def __init__(self, webhooks: Sequence[Webhook], post: Post, *, host: str | None = None) -> None:
        self._webhooks = tuple(webhooks)
        self.host = socket.gethostname() if host is None else host
        self._waiting: dict[_AlertKey, AlertRecord] = {}
        """The alerts that were raised and are not stored yet."""
        self._since: dict[_AlertKey, datetime] = {}
        """When the budget's window began, for waiting alerts about a budget. An open alert from before that
        moment is ended first."""
        self._over: set[_AlertKey] = set()
        """The alerts that are over and have no `ended_at` in Postgres yet."""
        self._ended: set[_AlertKey] = set()
        """The alerts that have `ended_at` in Postgres and were not raised since. Their end is not stored
        again."""
        self._said: set[str] = set()
        """The ids of waiting alerts that were told already."""
        self._open: set[_AlertKey] = set()
        """The states that are stored as open. They are not told again while nothing can be stored."""
        self._refused: set[_AlertKey] = set()
        """The alerts that Postgres can't store. Each is told once."""
        self._told: list[str] = []
        """The ids of alerts that were told, and that have no `told_at` in Postgres yet."""
        self._deliveries = Deliveries(webhooks, post, self._told.append)
        self._asked_untold = False
        self._ended_old_mono: float | None = None

    def raised(self, kind: AlertKind, name: str, message: str, since: datetime | None = None) -> None:
        """Note that something happened, or goes on. This does no IO. `since` is when the budget's window
        began: an alert of an earlier window is another alert."""
        key, now = _key(kind, name), datetime.now(UTC)
        self._over.discard(key)
        self._ended.discard(key)
        known = self._waiting.get(key)
        if known is None and len(self._waiting) >= (
            MAX_OF_CUSTOMERS if _OF_A_CUSTOMER.match(name) else MAX_WAITING
        ):
            plain_log.error("too many alerts: %s %s has none", *key)
            return
        if since is not None:
            self._since[key] = since
        if known is not None:
            self._waiting[key] = msgspec.structs.replace(known, last_at=now, times=known.times + 1)
            return
        self._waiting[key] = AlertRecord(
            id=str(uuid.uuid4()),
            kind=key[0],
            object=key[1],
            message=_storable(message[:MAX_MESSAGE_CHARS]),
            host=self.host,
            first_at=now,
            last_at=now,
        )

    def ended(self, kind: AlertKind, name: str) -> None:
        """Note that a state is over. This does no IO."""
        key = _key(kind, name)
        if key not in self._ended and len(self._over) < MAX_WAITING:
            self._over.add(key)

    async def store(self, connection: asyncpg.Connection) -> None:
        """Store in Postgres which alerts were raised, ended and told, and tell the alerts that are new there.
        An alert that fails is stored the next time, and the others are stored now. The first failure is
        raised at the end."""
        await self._tell_untold(connection)
        failures: list[Exception] = []
        for key, alert in list(self._waiting.items()):
            try:
                await self._store_one(connection, key, alert)
            except PASSING as exc:
                failures.append(exc)
        for key in list(self._over):
            try:
                await connection.execute(_END, *key)
            except PASSING as exc:
                failures.append(exc)
            else:
                is_over = key in self._over  # it may have been raised again meanwhile
                self._over.discard(key)
                self._open.discard(key)
                if is_over and len(self._ended) < MAX_WAITING:
                    self._ended.add(key)
        await self._store_told(connection)
        await self._end_old(connection)
        if failures:
            raise failures[0]

    def say_unstored(self, kind: AlertKind) -> None:
        """Tell the waiting alerts of one kind that can't be stored now, except for states that are stored as
        open. They are stored later, and not told again then."""
        for key, alert in self._waiting.items():
            if alert.kind == kind.value and alert.id not in self._said and key not in self._open:
                self._said.add(alert.id)
                self._say(alert)

    async def finish(self) -> None:
        """Wait until every alert is told or given up."""
        await self._deliveries.finish()

    async def close(self) -> None:
        """Wait a second for the webhooks that are being called, then give up."""
        await self._deliveries.close()

    async def _tell_untold(self, connection: asyncpg.Connection) -> None:
        """Tell the alerts that an earlier process of the same data directory stored and did not tell."""
        if self._asked_untold:
            return
        rows = await connection.fetch(_UNTOLD, self.host.rpartition("/")[2])
        self._asked_untold = True
        for row in rows:
            self._tell(AlertRecord(**dict(row)))

    async def _store_one(self, connection: asyncpg.Connection, key: _AlertKey, alert: AlertRecord) -> None:
        try:
            is_new = await self._insert(connection, key, alert)
        except UNSTORABLE as exc:
            plain_log.error("alert %s %s can't be stored: %r", *key, exc)
            is_new = key not in self._refused
            if len(self._refused) < MAX_WAITING:
                self._refused.add(key)
        now_waiting = self._waiting.get(key)
        if now_waiting is alert:
            del self._waiting[key]
            self._since.pop(key, None)
        elif now_waiting is not None:  # it was raised again meanwhile, and only that is left to count
            again = now_waiting.times - alert.times
            self._waiting[key] = msgspec.structs.replace(now_waiting, id=str(uuid.uuid4()), times=again)
        if is_new and alert.id not in self._said:
            self._say(alert)
        self._said.discard(alert.id)

    async def _insert(self, connection: asyncpg.Connection, key: _AlertKey, alert: AlertRecord) -> bool:
        if AlertKind(alert.kind) not in STATES:
            await connection.execute(_END_BEFORE, *key, AGAIN_AFTER, self._since.get(key))
        told_at = alert.last_at if alert.id in self._said else None
        values = (alert.id, alert.kind, alert.object, alert.message, alert.host)
        counts = (alert.first_at, alert.last_at, alert.times, told_at)
        is_new = bool(await connection.fetchval(_RAISE, *values, *counts))
        if AlertKind(alert.kind) in STATES:
            self._open.add(key)
        return is_new

    async def _store_told(self, connection: asyncpg.Connection) -> None:
        """Write `told_at`. An id is kept in memory until it is written. Else the next process would tell the
        alert again after a failure."""
        told = list(self._told)
        if told:
            await connection.execute(_TOLD, told)
            del self._told[: len(told)]

    async def _end_old(self, connection: asyncpg.Connection) -> None:
        """End the old alerts of every host, once a minute. The first time is a minute after the start: by
        then each host has said which of its states go on."""
        now_mono = time.monotonic()
        if self._ended_old_mono is None:
            self._ended_old_mono = now_mono
        if now_mono - self._ended_old_mono >= END_OLD_S:
            await connection.execute(_END_OLD, [kind.value for kind in STATES], RENEWED_WITHIN, AGAIN_AFTER)
            self._ended_old_mono = now_mono

    def _say(self, alert: AlertRecord) -> None:
        log.error("alert", kind=alert.kind, object=alert.object, message=alert.message, id=alert.id)
        self._tell(alert)

    def _tell(self, alert: AlertRecord) -> None:
        if self._webhooks:
            self._deliveries.begin(alert)
        else:
            self._told.append(alert.id)


def _key(kind: AlertKind, name: str) -> _AlertKey:
    return kind.value, _storable(name[:MAX_OBJECT_CHARS])


def _storable(text: str) -> str:
    """The text without characters that Postgres and JSON don't take: NUL, and half of a surrogate pair.
    Another character stands in their place."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
