"""Shares cooldowns between workers: a row in Postgres, and an announcement. No call waits for it.

A worker that begins or ends a cooldown writes it down within moments. The others hear the announcement, which
says everything that they need. A worker that was deaf for a while reads the table.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import msgspec

from models_registry.routing.fleet import DeploymentId, Fleet
from runtime.postgres.database import Database
from runtime.postgres.listener import EVERYTHING
from schema.errors.base import GatewayError

CHANNEL = "switchgear_cooldown"
MAX_WAITING = 10_000
"""The deployments whose cooldowns wait to be written down. With more of them the rest is not told."""
RETRY_S = 1.0
SETTLE_S = 1.0
MAX_ROWS = 10_000
"""The rows that are kept. Callers name the models of a wildcard, and each of them may cool down. A cooldown
for which there is no row is announced all the same."""
TIDY_S = 300.0
KEPT_S = 600.0
"""How long the row of a cooldown is kept that is over."""
CHECKED_S = 86_400.0
"""How long the row of a deployment is kept that is not checked any more."""
MAX_PAYLOAD = 7_000
"""Bytes of one announcement. Postgres allows 8000."""
_BEGUN = """
    INSERT INTO "Switchgear_Deployment" AS d (deployment_key, deployment_id, model, cooled_until,
        cooldown_level, cooldown_reason, updated_at)
    SELECT $1, $2, $3, clock_timestamp() + $4::interval, $5, $6, clock_timestamp()
    WHERE EXISTS (SELECT 1 FROM "Switchgear_Deployment" WHERE deployment_key = $1)
        OR (SELECT count(*) FROM "Switchgear_Deployment") < $7
    ON CONFLICT (deployment_key) DO UPDATE SET cooled_until = greatest(d.cooled_until, excluded.cooled_until),
        cooldown_level = greatest(d.cooldown_level, excluded.cooldown_level),
        cooldown_reason = excluded.cooldown_reason, updated_at = excluded.updated_at
"""
_ENDED = """
    UPDATE "Switchgear_Deployment" SET cooled_until = NULL, cooldown_level = 0, cooldown_reason = '',
        updated_at = clock_timestamp()
    WHERE deployment_key = $1 AND cooled_until IS NOT NULL
"""
_TIDY = """
    DELETE FROM "Switchgear_Deployment"
    WHERE coalesce(cooled_until, '-infinity') < clock_timestamp() - $1::interval
        AND coalesce(next_check_at, '-infinity') < clock_timestamp() - $2::interval
        AND coalesce(checked_at, '-infinity') < clock_timestamp() - $2::interval
"""
_READ = """
    SELECT deployment_id, model, cooldown_level, cooldown_reason,
           extract(epoch FROM cooled_until - clock_timestamp())::float8 AS left_s
    FROM "Switchgear_Deployment" WHERE cooled_until > clock_timestamp() LIMIT 10000
"""

log = logging.getLogger(__name__)


class CooldownNews(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement: a deployment cools down for `left_s` more seconds. 0: it no longer does."""

    worker: str
    deployment_id: str
    model: str
    left_s: float
    level: int = 0
    why: str = ""


_decoder = msgspec.json.Decoder(CooldownNews)


def key_of(key: DeploymentId) -> str:
    """The key of a deployment's row."""
    return "\n".join(key)


class Standings:
    """One a worker. `changed` is for the worker's own cooldowns, `heard` for those of others."""

    def __init__(self, database: Database, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._fleet = fleet
        self._clock = clock
        self._worker = str(uuid.uuid4())
        self._waiting: dict[DeploymentId, None] = {}
        self._must_read = False
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._telling(), name="cooldowns"),
            asyncio.create_task(self._settling(), name="fleet"),
            asyncio.create_task(self._tidying(), name="cooldowns that are over"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def changed(self, key: DeploymentId) -> None:
        """A cooldown began, became longer or ended in this worker. It is told soon, and only as it stands
        then."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting[key] = None
            self._wake.set()

    def heard(self, payload: str) -> None:
        """An announcement came. `all`: any may have been missed."""
        if payload == EVERYTHING:
            self._must_read = True
            self._wake.set()
            return
        try:
            told = _decoder.decode(payload)
        except msgspec.DecodeError:
            log.warning("an announcement of a cooldown could not be read")
            return
        if told.worker != self._worker:
            self._hear(told)

    def _hear(self, told: CooldownNews) -> None:
        self._fleet.heard(
            (told.deployment_id, told.model),
            self._clock(),
            left_s=told.left_s,
            level=told.level,
            why=told.why,
        )

    async def _telling(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._must_read:
                    self._must_read = False
                    await self._read()
                while self._waiting:
                    await self._tell_next()
            except GatewayError:
                await self._again()
            except Exception:
                log.exception("cooldowns could not be read")
                await self._again()

    async def _tell_next(self) -> None:
        """Tell the next one. One that Postgres can't take, such as of a model that a caller names with a zero
        byte, keeps nobody else's from being told. Raises GatewayError where Postgres is away."""
        key = next(iter(self._waiting))
        try:
            await self._tell(key)
        except GatewayError:
            raise
        except Exception:
            log.exception("a cooldown could not be told")
        self._waiting.pop(key, None)

    async def _again(self) -> None:
        """Postgres is away: go by what this worker sees, and try again."""
        self._must_read = True
        self._wake.set()
        await asyncio.sleep(RETRY_S)

    async def _tell(self, key: DeploymentId) -> None:
        record = self._fleet.get(key).record
        left_s = max(0.0, record.until - self._clock()) if record.until else 0.0
        told = CooldownNews(
            worker=self._worker,
            deployment_id=key[0],
            model=key[1],
            left_s=left_s,
            level=record.level,
            why=record.why,
        )
        text = msgspec.json.encode(told).decode()
        async with self._database.connection() as connection, connection.transaction():
            if left_s:
                span = timedelta(seconds=left_s)
                row = (key_of(key), *key, span, record.level, record.why, MAX_ROWS)
                await connection.execute(_BEGUN, *row)
            else:
                await connection.execute(_ENDED, key_of(key))
            said = text if len(text.encode()) <= MAX_PAYLOAD else EVERYTHING
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, said)

    async def _read(self) -> None:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_READ)
        for row in rows:
            self._hear(
                CooldownNews(
                    worker="",
                    deployment_id=row["deployment_id"],
                    model=row["model"],
                    left_s=row["left_s"],
                    level=row["cooldown_level"],
                    why=row["cooldown_reason"],
                )
            )

    async def tidy(self) -> None:
        """Delete the rows of cooldowns that are over and of deployments that nobody checks any more. Raises
        DatabaseUnavailable."""
        async with self._database.connection() as connection:
            await connection.execute(_TIDY, timedelta(seconds=KEPT_S), timedelta(seconds=CHECKED_S))

    async def _tidying(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self.tidy()
            except GatewayError as exc:
                log.debug("cooldowns that are over: %s", exc.message)
            except Exception:
                log.exception("cooldowns that are over could not be deleted")

    async def _settling(self) -> None:
        """Once a second, see whether anything is still wrong."""
        while True:
            await asyncio.sleep(SETTLE_S)
            if not self._fleet.quiet:
                self._fleet.settle(self._clock())
