"""When deployments are checked, and what was found: on demand, and in the background if the config says so.

In the background each deployment is checked once in an interval by one worker of all: the worker that moves
the time of its next check ahead. The times are spread by chance, so that checks do not come all at once.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

from models_registry.config.health_checks import CheckRules
from models_registry.routing.fleet import Fleet, id_of
from models_registry.target import Target
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.upstream.checker import Checker, CheckFound, how_of
from runtime.upstream.standings import key_of
from schema.errors.base import GatewayError
from schema.health import CheckRecord

LOOK_S = 5.0
"""How often a worker looks whether a check is due."""
FRESH_S = 10.0
"""A check on demand is not made anew within this time."""
KEPT_DAYS = 30
MAX_KEPT = 100_000
"""The checks that are kept. The oldest go first."""
TIDY_S = 3600.0
HEALTHY, UNHEALTHY = "healthy", "unhealthy"
_ENTER = """
    INSERT INTO "Switchgear_Deployment" (deployment_key, deployment_id, model, model_group, next_check_at,
        updated_at)
    SELECT *, clock_timestamp() + random() * $5::interval, clock_timestamp()
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (deployment_key) DO UPDATE SET model_group = excluded.model_group,
        next_check_at = coalesce("Switchgear_Deployment".next_check_at, excluded.next_check_at)
    WHERE "Switchgear_Deployment".next_check_at IS NULL
"""
_CLAIM = """
    UPDATE "Switchgear_Deployment"
    SET next_check_at = clock_timestamp() + $2::interval * (0.9 + random() * 0.2)
    WHERE deployment_key = ANY (ARRAY(
        SELECT deployment_key FROM "Switchgear_Deployment"
        WHERE deployment_key = ANY ($1) AND next_check_at <= clock_timestamp()
        ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )) RETURNING deployment_key
"""
_NOTE = """
    INSERT INTO "LiteLLM_HealthCheckTable" (health_check_id, model_name, model_id, status, healthy_count,
        unhealthy_count, error_message, response_time_ms, details, checked_by, checked_at, created_at,
        updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '{}', $9, $10, $10, $10)
"""
_STAND = """
    INSERT INTO "Switchgear_Deployment" (deployment_key, deployment_id, model, model_group, checked_at,
        check_status, check_error, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
    ON CONFLICT (deployment_key) DO UPDATE SET checked_at = excluded.checked_at,
        model_group = excluded.model_group, check_status = excluded.check_status,
        check_error = excluded.check_error, updated_at = excluded.updated_at
"""
_STANDINGS = """
    SELECT deployment_key, check_status, check_error,
           extract(epoch FROM clock_timestamp() - checked_at)::float8 AS ago_s
    FROM "Switchgear_Deployment" WHERE deployment_key = ANY ($1) AND checked_at IS NOT NULL
"""
_COLUMNS = ", ".join(f'"{name}"' for name in CheckRecord.__struct_fields__)
_HISTORY = f"""
    SELECT {_COLUMNS} FROM "LiteLLM_HealthCheckTable"
    WHERE ($1::text IS NULL OR model_name = $1) AND ($2::text IS NULL OR status = $2)
    ORDER BY checked_at DESC, health_check_id LIMIT $3 OFFSET $4
"""
_TOTAL = """
    SELECT count(*) FROM "LiteLLM_HealthCheckTable"
    WHERE ($1::text IS NULL OR model_name = $1) AND ($2::text IS NULL OR status = $2)
"""
_LATEST = f"""
    SELECT DISTINCT ON (model_id) {_COLUMNS} FROM "LiteLLM_HealthCheckTable"
    WHERE model_id = ANY ($1) ORDER BY model_id, checked_at DESC
"""
_TIDY = """
    DELETE FROM "LiteLLM_HealthCheckTable" WHERE checked_at < clock_timestamp() - $1::interval
        OR checked_at < (SELECT checked_at FROM "LiteLLM_HealthCheckTable" ORDER BY checked_at DESC
            OFFSET $2 LIMIT 1)
"""

log = logging.getLogger(__name__)


class HealthChecks:
    """One a worker. `targets` gives the deployments of now."""

    def __init__(
        self,
        database: Database,
        checker: Checker,
        fleet: Fleet,
        targets: Callable[[], Sequence[Target]],
        rules: CheckRules,
    ) -> None:
        self._database = database
        self._checker = checker
        self._fleet = fleet
        self._targets = targets
        self._rules = rules
        self._room = asyncio.Semaphore(rules.concurrency)
        self._found: dict[str, CheckFound] = {}
        self._under_way: dict[str, asyncio.Task[CheckFound]] = {}
        self._task: asyncio.Task[None] | None = None
        self._tidied_mono = float("-inf")
        self._name = f"background_health_check {uuid.uuid4()}"

    def start(self) -> None:
        if self._rules.background:
            self._task = asyncio.create_task(self._checking(), name="health checks")

    async def close(self) -> None:
        tasks = [*self._under_way.values(), *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def check(self, targets: Sequence[Target], *, by: str) -> list[CheckFound]:
        """Check these deployments, and note what was found. A check that is under way, or was made a moment
        ago, counts for another one."""
        found = await asyncio.gather(*(self._one(target) for target in targets))
        fresh = [each for each in found if each.how != "none" and self._found.get(_key(each)) is not each]
        self._found = {key: each for key, each in self._found.items() if _is_fresh(each)}
        self._found |= {_key(each): each for each in found}
        try:
            await self._note(fresh, by)
            await self._tidy_now_and_then()
        except GatewayError as exc:
            log.warning("health checks could not be noted: %s", exc.message)
        return list(found)

    async def history(
        self, *, model: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[list[CheckRecord], int]:
        """Checks, newest first, and how many there are. Raises DatabaseUnavailable, and InvalidRequest for a
        model that no column can hold."""
        with asking():
            async with self._database.connection() as connection:
                rows = await connection.fetch(_HISTORY, model, status, limit, offset)
                total = await connection.fetchval(_TOTAL, model, status)
        return [CheckRecord(**row) for row in rows], total

    async def latest(self) -> list[CheckRecord]:
        """The last check of each deployment that there is now. Raises DatabaseUnavailable."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LATEST, [target.model_id for target in self._targets()])
        return [CheckRecord(**row) for row in rows]

    async def _one(self, target: Target) -> CheckFound:
        key = key_of(id_of(target))
        known = self._found.get(key)
        if known is not None and _is_fresh(known) and known.target == target:
            return known
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._within_room(target))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _within_room(self, target: Target) -> CheckFound:
        async with self._room:
            found = await self._checker.check(target)
        if found.how != "none":
            self._fleet.checked(id_of(target), time.monotonic(), ok=found.ok, error=found.error)
        return found

    async def _note(self, found: Sequence[CheckFound], by: str) -> None:
        if not found:
            return
        checks = [
            (
                str(uuid.uuid4()),
                each.target.public_name,
                each.target.model_id,
                HEALTHY if each.ok else UNHEALTHY,
                int(each.ok),
                int(not each.ok),
                each.error.replace("\0", " ") or None,
                each.took_ms,
                by,
                each.checked_at,
            )
            for each in found
        ]
        standings = [
            (
                _key(each),
                *id_of(each.target),
                each.target.public_name,
                each.checked_at,
                HEALTHY if each.ok else UNHEALTHY,
                each.error.replace("\0", " "),
            )
            for each in sorted(found, key=_key)
        ]
        async with self._database.connection() as connection, connection.transaction():
            await connection.executemany(_NOTE, checks)
            await connection.executemany(_STAND, standings)

    async def _checking(self) -> None:
        while True:
            try:
                await self._turn()
                await self._tidy_now_and_then()
            except GatewayError as exc:
                log.warning("no health checks while the database is away: %s", exc.message)
            except Exception:
                log.exception("health checks failed")
            await asyncio.sleep(min(LOOK_S, self._rules.interval_s / 5))

    async def _turn(self) -> None:
        """Check what is due, and learn what other workers found."""
        by_key = {key_of(id_of(each)): each for each in self._targets() if _is_checked(each)}
        if not by_key:
            return
        interval = timedelta(seconds=self._rules.interval_s)
        async with self._database.connection() as connection:
            entered = [(key, *id_of(target), target.public_name) for key, target in sorted(by_key.items())]
            await connection.execute(_ENTER, *map(list, zip(*entered, strict=True)), interval)
            claimed = await connection.fetch(_CLAIM, list(by_key), interval, self._rules.concurrency)
        due = [by_key[row["deployment_key"]] for row in claimed]
        if due:
            await self.check(due, by=self._name)
        await self._learn(by_key)

    async def _learn(self, by_key: dict[str, Target]) -> None:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_STANDINGS, list(by_key))
        now = time.monotonic()
        for row in rows:
            standing = self._fleet.get(id_of(by_key[row["deployment_key"]]))
            at = now - row["ago_s"]
            if at > standing.checked_at:
                ok = row["check_status"] == HEALTHY
                self._fleet.checked(id_of(by_key[row["deployment_key"]]), at, ok=ok, error=row["check_error"])

    async def _tidy_now_and_then(self) -> None:
        """Delete old checks once an hour, also where checks are made on demand alone."""
        if time.monotonic() - self._tidied_mono >= TIDY_S:
            self._tidied_mono = time.monotonic()
            await self._tidy()

    async def _tidy(self) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_TIDY, timedelta(days=KEPT_DAYS), MAX_KEPT)


def _is_fresh(found: CheckFound) -> bool:
    return time.time() - found.checked_at.timestamp() < FRESH_S


def _key(found: CheckFound) -> str:
    return key_of(id_of(found.target))


def _is_checked(target: Target) -> bool:
    return how_of(target) != "none" and target.info.get("disable_background_health_check") is not True
