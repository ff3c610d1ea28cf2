"""Tells the other workers which config file this one serves with, and hears theirs.

A file is of one host. Two hosts with differing files answer the same call in different ways, and nobody would
see it. Each worker writes a row now and then, and reads the others' rows.
"""

import asyncio
import itertools
import logging
import socket
import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec

from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.readiness import ConfigState
from runtime.registry.live import LiveRegistry
from schema.errors.overload import DatabaseUnavailable
from schema.health import ConfigHost

EVERY_S = 5.0
TELL_S = 0.5
"""How soon a change of this worker's own is told."""
GONE_S = 20.0
"""A worker that told nothing for so long is gone."""
HASH_CHARS = 12
MAX_HOSTS = 1_000
MAX_TOLD, TOLD_CHARS = 20, 300
"""How many settings a host names of each kind, and how long each may be."""
MAX_FLAW_CHARS = 2_000
_TELL = """
    INSERT INTO "Switchgear_HostConfig" (worker, host, file_hash, flaw, models, loaded_at, settings_refused,
        needs_restart, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())
    ON CONFLICT (worker) DO UPDATE SET file_hash = excluded.file_hash, flaw = excluded.flaw,
        models = excluded.models, loaded_at = excluded.loaded_at, seen_at = excluded.seen_at,
        settings_refused = excluded.settings_refused, needs_restart = excluded.needs_restart
"""
_FORGET = (
    """DELETE FROM "Switchgear_HostConfig" WHERE seen_at < clock_timestamp() - make_interval(secs => $1)"""
)
_LEAVE = """DELETE FROM "Switchgear_HostConfig" WHERE worker = $1"""
_READ = f"""
    SELECT host, file_hash, max(flaw) AS flaw, count(*) AS workers, max(models) AS models,
           max(loaded_at) AS loaded_at, jsonb_agg(settings_refused) AS settings_refused,
           jsonb_agg(needs_restart) AS needs_restart
    FROM "Switchgear_HostConfig" GROUP BY host, file_hash ORDER BY host, file_hash LIMIT {MAX_HOSTS}
"""

_LISTS = msgspec.json.Decoder(list[list[str]])

log = logging.getLogger(__name__)


def different(hosts: Sequence[ConfigHost]) -> set[str]:
    """The contents of the config files, by their hashes. A command that runs beside a server may have
    none."""
    return {each.config_hash for each in hosts if each.config_hash}


class HostConfigs:
    """Implements the port `Hosts`."""

    def __init__(self, database: Database, live: LiveRegistry) -> None:
        self._database = database
        self._live = live
        self._worker = str(uuid.uuid4())
        self._host = socket.gethostname()[:200]
        self._found: Sequence[ConfigHost] = ()
        self._told: tuple[datetime, str | None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="config of hosts")

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            with asking():
                async with self._database.connection() as connection:
                    await connection.execute(_LEAVE, self._worker)
        except DatabaseUnavailable:
            return  # the row is forgotten in a while

    async def listed(self) -> Sequence[ConfigHost]:
        """The hosts, and what each serves with, as they are told now. Raises DatabaseUnavailable."""
        await self._exchange()
        return self._found

    @property
    def waits_for_restart(self) -> Sequence[str]:
        """See Hosts."""
        return self._live.waits_for_restart

    @property
    def settings_refused(self) -> Sequence[str]:
        """See Hosts."""
        return self._live.settings_refused

    def state(self) -> ConfigState:
        """For the readiness probe."""
        live = self._live
        hashes = different(self._found)
        word = "in force" if len(hashes) <= 1 else "differs"
        return ConfigState(
            skipped=len(live.in_force.checked.skipped),
            word=word if live.flaw is None else "refused",
            hash=self._hash,
            hosts=max(1, len({each.host for each in self._found})),
            hashes=max(1, len(hashes)),
        )

    @property
    def _hash(self) -> str:
        return self._live.in_force.file_hash[:HASH_CHARS]

    async def _run(self) -> None:
        waited_s = EVERY_S
        while True:
            if waited_s >= EVERY_S or self._told != (self._live.in_force.loaded_at, self._live.flaw):
                waited_s = 0.0
                try:
                    await self._exchange()
                except DatabaseUnavailable as exc:
                    log.debug("config of hosts: %s", exc)
            await asyncio.sleep(TELL_S)
            waited_s += TELL_S

    async def _exchange(self) -> None:
        """Tell what this worker serves with, and read what all do."""
        now = self._live.in_force
        flaw = self._live.flaw
        with asking():
            async with self._database.connection() as connection:
                models = len(now.checked.config.deployments)
                told = (
                    self._worker,
                    self._host,
                    self._hash,
                    flaw and _storable(flaw, MAX_FLAW_CHARS),
                    models,
                )
                refused, waiting = self._live.settings_refused, self._live.waits_for_restart
                await connection.execute(_TELL, *told, now.loaded_at, _first(refused), _first(waiting))
                await connection.execute(_FORGET, GONE_S)
                rows = await connection.fetch(_READ)
        self._told = (now.loaded_at, flaw)
        self._found = [
            ConfigHost(
                host=row["host"],
                config_hash=row["file_hash"],
                config_error=row["flaw"],
                workers=row["workers"],
                models=row["models"],
                loaded_at=row["loaded_at"],
                settings_refused=_together(row["settings_refused"]),
                needs_restart=_together(row["needs_restart"]),
            )
            for row in rows
        ]


def _first(said: Sequence[str]) -> list[str]:
    return [_storable(each, TOLD_CHARS) for each in said[:MAX_TOLD]]


def _together(workers: str) -> list[str]:
    """What the workers of a host say, in JSON with a list for each, without what several of them say."""
    said = itertools.chain(*_LISTS.decode(workers))
    return list(dict.fromkeys(said))[:MAX_TOLD]


def _storable(text: str, most: int) -> str:
    """A text that Postgres can hold: what a file or SQL brings may have a NUL or half a surrogate pair."""
    return text[:most].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
