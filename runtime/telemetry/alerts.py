"""Alerts: one log line, one row and one webhook for each kind and object, until it is over.

One process a data directory raises them all: the bookkeeper, which sees every row, every journal and whether
Postgres is there. What is raised waits in memory for `store`, which brings it to Postgres; of what has a row
there and is open, the row only counts. What nobody can store, since Postgres is away, is told all the same,
once.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import structlog

from runtime.outbound import Unreachable
from runtime.telemetry.webhooks import Webhook, body_of
from schema.alerts import AlertKind, AlertRecord

AGAIN_AFTER = timedelta(days=1)
"""An event's alert is over after so long: then the next one is an alert of its own."""
MAX_WAITING = 1_000
"""Kinds and objects that wait to be stored or told."""
MAX_MESSAGE_CHARS = 1_000
MAX_TRIES = 8
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0
POST_TIMEOUT_S = 10.0

_Key = tuple[str, str]
Post = Callable[[str, object, float], Awaitable[None]]
"""Posts JSON to an address within seconds. Raises Unreachable."""

_END_OLD = """UPDATE "Switchgear_Alert" SET ended_at = last_at
    WHERE kind = $1 AND object = $2 AND ended_at IS NULL AND first_at < clock_timestamp() - $3::interval"""
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
    WHERE host = $1 AND told_at IS NULL AND first_at > clock_timestamp() - interval '1 hour' LIMIT 100
"""

log = structlog.get_logger("switchgear.alert")
plain_log = logging.getLogger(__name__)


class Desk:
    """One process's alerts. `post` is how a webhook is called."""

    def __init__(self, webhooks: Sequence[Webhook], post: Post, *, host: str | None = None) -> None:
        self._webhooks = tuple(webhooks)
        self._post = post
        self.host = socket.gethostname() if host is None else host
        self._waiting: dict[_Key, AlertRecord] = {}
        """Raised, and not stored."""
        self._over: set[_Key] = set()
        """Ended, and not stored as such."""
        self._said: set[str] = set()
        """Ids of those that wait to be stored and were told already."""
        self._told: list[str] = []
        self._telling: set[asyncio.Task[None]] = set()
        self._asked_untold = False

    def raised(self, kind: AlertKind, name: str, message: str) -> None:
        """Something happened, or goes on. Does no IO."""
        key, now = (kind.value, name[:500]), datetime.now(UTC)
        self._over.discard(key)
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = msgspec.structs.replace(known, last_at=now, times=known.times + 1)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[key] = AlertRecord(
                id=str(uuid.uuid4()),
                kind=key[0],
                object=key[1],
                message=message[:MAX_MESSAGE_CHARS],
                host=self.host,
                first_at=now,
                last_at=now,
            )
        else:
            plain_log.error("too many alerts: %s %s has none", kind.value, name)

    def ended(self, kind: AlertKind, name: str) -> None:
        """What went on is over. Does no IO."""
        if len(self._over) < MAX_WAITING:
            self._over.add((kind.value, name[:500]))

    async def store(self, connection: asyncpg.Connection) -> None:
        """Bring to Postgres what was raised, ended and told, and tell what is new there. What fails stays,
        for the next time."""
        if not self._asked_untold:
            for row in await connection.fetch(_UNTOLD, self.host):
                self._tell(AlertRecord(**dict(row)))
            self._asked_untold = True
        for key, alert in list(self._waiting.items()):
            is_new = await self._store(connection, alert)
            if self._waiting.get(key) is alert:
                del self._waiting[key]
            if is_new and alert.id not in self._said:
                self._say(alert)
            self._said.discard(alert.id)
        for key in list(self._over):
            await connection.execute(_END, *key)
            self._over.discard(key)
        if self._told:
            told, self._told = self._told, []
            await connection.execute(_TOLD, told)

    def say_unstored(self, kind: AlertKind) -> None:
        """Tell what can't be stored now; it is stored later, and not told again."""
        for alert in self._waiting.values():
            if alert.kind == kind.value and alert.id not in self._said:
                self._said.add(alert.id)
                self._say(alert)

    async def close(self) -> None:
        """Give what is being told a moment."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=1.0)
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _store(self, connection: asyncpg.Connection, alert: AlertRecord) -> bool:
        await connection.execute(_END_OLD, alert.kind, alert.object, AGAIN_AFTER)
        told_at = alert.last_at if alert.id in self._said else None
        values = (alert.id, alert.kind, alert.object, alert.message, alert.host)
        counts = (alert.first_at, alert.last_at, alert.times, told_at)
        return bool(await connection.fetchval(_RAISE, *values, *counts))

    def _say(self, alert: AlertRecord) -> None:
        log.error("alert", kind=alert.kind, object=alert.object, message=alert.message, id=alert.id)
        self._tell(alert)

    def _tell(self, alert: AlertRecord) -> None:
        if not self._webhooks:
            self._told.append(alert.id)
        elif len(self._telling) < MAX_WAITING:
            task = asyncio.create_task(self._deliver(alert), name="alert")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _deliver(self, alert: AlertRecord) -> None:
        """To each place, with growing pauses; a place that takes it is not asked again."""
        left, pause_s = list(self._webhooks), FIRST_PAUSE_S
        for number in range(MAX_TRIES):
            if number:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_PAUSE_S)
            for webhook in list(left):
                try:
                    await self._post(webhook.url.reveal(), body_of(webhook.style, alert), POST_TIMEOUT_S)
                except Unreachable as exc:
                    if number in (0, MAX_TRIES - 1):
                        plain_log.warning("alert %s: the %s webhook: %s", alert.id, webhook.style.value, exc)
                else:
                    left.remove(webhook)
            if not left:
                self._told.append(alert.id)
                return
