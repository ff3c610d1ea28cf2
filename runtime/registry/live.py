"""The registry in force in a worker, and how another one takes its place while calls go on.

A registry is a value. The worker holds one, with its routing, and puts a whole new one in its place: a call
keeps the one that it began with. A new one is built where the config file has other bytes than before, where
somebody sends SIGHUP, and where a stored model, credential or setting was announced as changed. It is built
beside the event loop, and it takes effect as a whole or not at all.
"""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog

from models_registry.config.compiled import BuildCache
from models_registry.config.reader import Config
from models_registry.config.storable import Values
from models_registry.config.stored import NOTHING, Stored, StoredCredential, StoredModel
from runtime.blueprint import Blueprint, Checked, check
from runtime.config_file import ConfigFileError, ConfigFiles, hash_now, load_files
from runtime.postgres.database import Database
from runtime.registry.fitting import Fitting, fitting, newly_unfit
from runtime.registry.stored_rows import StoredRows, opened, read_at_once
from runtime.state.sealing import Sealer
from schema.errors.overload import DatabaseUnavailable

LOOK_S = 0.5
"""How often the bytes of the config file are looked at."""
SETTLE_S = 0.1
"""For so long a file must stay as it is before it is read: an editor may write it in pieces."""
SETTLES = 20
"""How often a file that keeps changing is waited for."""
EMPTY = "the file is empty; `model_list: []` says that it names no models"
"""A file that is emptied is most often one that is being written."""
AGAIN_S = 0.5
"""The pause before stored rows are read again that could not be read. It doubles with each failure."""
MOST_AGAIN_S = 30.0
TOPICS = ("model:", "credential:", "config:", "team:")
"""The topics of stored rows. A team that is deleted takes its models along."""
MAX_TOLD = 5
RESTARTS = ("general_settings", "litellm_settings", "environment_variables")
"""Sections of which some settings take effect at a start alone."""
AT_ONCE = frozenset(
    (
        *("general_settings.free_params", "general_settings.api_env_allowlist"),
        "general_settings.store_model_in_db",
        *(f"litellm_settings.{name}" for name in ("drop_params", "num_retries", "request_timeout")),
        *(f"litellm_settings.{name}" for name in ("fallbacks", "default_fallbacks")),
        *(f"litellm_settings.{name}" for name in ("context_window_fallbacks", "content_policy_fallbacks")),
        *(f"litellm_settings.{name}" for name in ("cost_discount_config", "cost_margin_config")),
    )
)
"""Settings of these sections that are about models and routing: they take effect with the file."""
_PLACE = re.compile(r"model_list\[[0-9]+\]")

log = structlog.get_logger("switchgear.config")


class RegistryInForce(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker serves with, and what it was made of."""

    checked: Checked
    document: dict[str, Any]  # YAML
    file_hash: str = ""
    """The hash of the config file and its includes. Empty: there is no file."""
    rows: StoredRows = StoredRows()
    stored: Stored = NOTHING
    loaded_at: datetime


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Stored rows, and the registry that was built of them and of a document."""

    rows: StoredRows
    stored: Stored
    checked: Checked
    document: dict[str, Any]  # YAML


class _LeftOut(NamedTuple):
    """The settings of the router that were left out of those that are stored, with a document."""

    document: dict[str, Any]  # YAML
    settings: Values
    unfit: Mapping[str, str]


class LiveRegistry:
    """Keeps one worker's registry up to date. `swapped` is called with what is in force, each time that it
    is another."""

    def __init__(
        self,
        blueprint: Blueprint,
        checked: Checked,
        database: Database,
        sealer: Sealer | None,
        swapped: Callable[[Checked], None],
    ) -> None:
        self.sealer = sealer
        self.flaw: str | None = None
        """Why the file's present content is not in force. None: it is."""
        self.in_force = RegistryInForce(
            checked=checked, document=blueprint.document, loaded_at=datetime.now(UTC)
        )
        self._blueprint = blueprint
        self._database = database
        self._swapped = swapped
        self._cache = BuildCache()
        self._building = threading.Lock()
        """A judged change and a reload may build in two threads."""
        self._changed = asyncio.Event()
        self._look = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._left_out = _LeftOut({}, {}, {})
        self._files: ConfigFiles | None = None
        self._refused_hash: str | None = None
        self._unread_told: tuple[str, ...] = ()
        self._unfit_told: tuple[str, ...] = ()
        self._restart_told: tuple[str, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stores(self) -> bool:
        """Whether models are stored in Postgres too."""
        return stores_models(self.in_force.checked.config)

    async def start(self) -> None:
        """Load what is stored, and begin to follow changes. Raises DatabaseUnavailable."""
        path = self._blueprint.config_path
        if path is not None:
            with suppress(ConfigFileError):  # it was read a moment ago, in the parent process
                self._files = await asyncio.to_thread(load_files, path)
        document = self._blueprint.document
        if self._files is not None and self._files.document != document:
            # another content since the server was started: this worker was started later than others
            newer = await asyncio.to_thread(self.checked, self._files.document, NOTHING)
            if not newer.errors:
                document = self._files.document
            else:
                self._refuse(newer.errors, self._files.hash)
        file_hash = "" if self._files is None or self.flaw is not None else self._files.hash
        self.in_force = msgspec.structs.replace(self.in_force, document=document, file_hash=file_hash)
        await self._load(document, file_hash, starting=True)
        self._tasks = [asyncio.create_task(self._follow(), name="stored models")]
        if self._files is not None:
            self._tasks.append(asyncio.create_task(self._watch(self._files), name="config file"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, topic: str) -> None:
        """A governed row was changed, or any row (`all`)."""
        if topic == "all" or topic.startswith(TOPICS):
            self._changed.set()

    def look_at_file(self) -> None:
        """Look at the config file now, also where its content was refused before."""
        self._refused_hash = None
        self._look.set()

    async def refresh(self, loaded: Loaded | None = None) -> None:
        """Put what is stored now in force. `loaded` is what somebody has just stored, and counts where
        nobody has stored anything else since. Raises DatabaseUnavailable."""
        async with self._one_at_a_time:
            before = self.in_force
            await self._load(before.document, before.file_hash, starting=False, loaded=loaded)

    async def opened(self, rows: StoredRows) -> Stored:
        """The rows, opened. Those that are in force are open already."""
        known = self.in_force
        return await asyncio.to_thread(opened, rows, self.sealer, (known.rows, known.stored))

    def checked(self, document: dict[str, Any], stored: Stored) -> Checked:
        """The registry of a document with these stored rows. It takes 0.7 ms for each model that is another
        than the last time, and is for a thread of its own."""
        blueprint = self._blueprint
        with self._building:
            return check(document, blueprint.env, strict=blueprint.strict, stored=stored, cache=self._cache)

    def fitting(self, document: dict[str, Any], stored: Stored) -> Fitting:
        """What of these stored rows can be in force with a document. For a thread of its own, too. Settings
        that were left out stay so while neither they nor the document change."""
        was = self._left_out
        known = was.unfit if was.document is document and was.settings == stored.router_settings else {}
        found = fitting(stored, lambda tried: self.checked(document, tried), known)
        self._left_out = _LeftOut(document, stored.router_settings, found.checked.config.unfit_settings)
        return found

    async def _follow(self) -> None:
        """Load what was announced as changed. A read that failed is made again, since nobody announces the
        change once more: the listener's own connection may be well while this read failed."""
        pause_s = AGAIN_S
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.refresh()
                pause_s = AGAIN_S
                continue
            except DatabaseUnavailable as exc:
                log.warning("stored_models_not_read", reason=exc.message, again_in_s=pause_s)
            except Exception:
                log.exception("stored_models_not_loaded", again_in_s=pause_s)
            self._changed.set()
            await asyncio.sleep(pause_s)
            pause_s = min(MOST_AGAIN_S, pause_s * 2)

    async def _load(
        self,
        document: dict[str, Any],
        file_hash: str,
        *,
        starting: bool,
        loaded: Loaded | None = None,
    ) -> None:
        """Put a document and what is stored in force, unless that is in force already."""
        before = self.in_force
        stores = stores_models(before.checked.config)
        rows = await read_at_once(self._database) if stores else StoredRows()
        if rows == before.rows and document is before.document and not starting:
            return
        if loaded is not None and loaded.rows == rows and loaded.document is document:
            stored, checked = loaded.stored, loaded.checked
        else:
            stored, checked = await asyncio.to_thread(self.fitting, document, await self.opened(rows))
        if checked.errors:
            log.error("stored_models_refused", errors=checked.errors[:MAX_TOLD])
            return
        self._put_in_force(
            RegistryInForce(
                checked=checked,
                document=document,
                file_hash=file_hash,
                rows=rows,
                stored=stored,
                loaded_at=datetime.now(UTC),
            )
        )

    def _put_in_force(self, new: RegistryInForce) -> None:
        rows: tuple[StoredModel | StoredCredential, ...] = (*new.stored.models, *new.stored.credentials)
        unread = tuple(f"{each.path}: {each.flaw}" for each in rows if each.unread)
        unread += (new.checked.config.cache_flaw,) if new.checked.config.cache_flaw else ()
        if unread and unread != self._unread_told:
            log.error("stored_values_unreadable", rows=len(unread), first=unread[:MAX_TOLD])
        self._unread_told = unread
        unfit = tuple(new.checked.config.unfit_settings.values())
        if unfit and unfit != self._unfit_told:
            log.error("stored_settings_refused", settings=len(unfit), first=unfit[:MAX_TOLD])
        self._unfit_told = unfit
        self.in_force = new
        self._swapped(new.checked)

    async def _watch(self, files: ConfigFiles) -> None:
        """Look at the file's bytes again and again: a mounted file changes without an event."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()
            self._look.clear()
            try:
                files = await self._looked_at(files)
            except DatabaseUnavailable:
                continue  # looked at again in a moment
            except Exception:
                log.exception("config_not_loaded")

    async def _looked_at(self, files: ConfigFiles) -> ConfigFiles:
        """Take over the file where it has changed. Gives the files that are to be looked at next."""
        now = await asyncio.to_thread(hash_now, files)
        if now is not None and now in (self.in_force.file_hash, self._refused_hash):
            if now == self.in_force.file_hash:
                self.flaw = self._refused_hash = None
            return files
        for _ in range(SETTLES):
            await asyncio.sleep(SETTLE_S)
            before, now = now, await asyncio.to_thread(hash_now, files)
            if now == before:
                break
        try:
            newer = await asyncio.to_thread(load_files, files.path)
        except ConfigFileError as exc:
            self._refuse([str(exc)], now)
            return files
        if not newer.document and self.in_force.document:
            self._refuse([EMPTY], now)
            return files
        async with self._one_at_a_time:
            await self._take_over(newer)
        return newer

    async def _take_over(self, files: ConfigFiles) -> None:
        """Put the file's content in force, or refuse the whole of it."""
        if files.hash in (self.in_force.file_hash, self._refused_hash):
            return
        before = self.in_force
        probe = await asyncio.to_thread(self.checked, files.document, NOTHING)
        stores = not probe.errors and stores_models(probe.config)
        rows = await read_at_once(self._database) if stores else StoredRows()
        stored, checked = Fitting(NOTHING, probe)
        if stores:
            stored, checked = await asyncio.to_thread(self.fitting, files.document, await self.opened(rows))
        problems = [*checked.errors, *newly_skipped(before.checked, checked)]
        problems += newly_unfit(before.checked, checked)
        if problems:
            self._refuse(problems, files.hash)
            return
        self.flaw = self._refused_hash = None
        self._put_in_force(
            RegistryInForce(
                checked=checked,
                document=files.document,
                file_hash=files.hash,
                rows=rows,
                stored=stored,
                loaded_at=datetime.now(UTC),
            )
        )
        log.info("config_reloaded", hash=files.hash[:12], models=len(checked.config.deployments))
        for line in checked.warnings[:MAX_TOLD]:
            log.warning("config_warning", warning=line)
        self._tell_restart(files.document)

    def _tell_restart(self, document: dict[str, Any]) -> None:
        waiting = waiting_for_restart(self._blueprint.document, document)
        if waiting and waiting != self._restart_told:
            log.warning("config_needs_restart", settings=waiting[:MAX_TOLD])
        self._restart_told = waiting

    @property
    def settings_refused(self) -> tuple[str, ...]:
        """Why stored settings of the router and of the response cache are not in force."""
        config = self.in_force.checked.config
        return (*config.unfit_settings.values(), *([config.cache_flaw] if config.cache_flaw else []))

    @property
    def waits_for_restart(self) -> tuple[str, ...]:
        """The settings of the file that have changed since the start, and take effect at the next one."""
        return self._restart_told

    def _refuse(self, problems: Sequence[str], file_hash: str | None) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        flaw = f"{problems[0]}{more}"
        if (flaw, file_hash) != (self.flaw, self._refused_hash):
            log.error(
                "config_refused", errors=list(problems[:MAX_TOLD]), in_force=self.in_force.file_hash[:12]
            )
        self.flaw, self._refused_hash = flaw, file_hash


def stores_models(config: Config) -> bool:
    """Whether models are stored in Postgres too: `general_settings.store_model_in_db`, else the variable
    `STORE_MODEL_IN_DB`. Where neither says it they are, since this gateway always has a database."""
    said = config.general_settings.store_model_in_db
    if said is None:
        return config.environment.get("STORE_MODEL_IN_DB", "").strip().lower() not in ("false", "0")
    return said


def waiting_for_restart(at_start: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """The settings that differ between two documents and take effect at a start alone, such as
    `general_settings.max_request_size_mb`."""
    found = []
    for section in RESTARTS:
        before, after = at_start.get(section), now.get(section)
        if not isinstance(before, dict | None) or not isinstance(after, dict | None):
            continue
        before, after = before or {}, after or {}
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        found += [f"{section}.{name}"[:200] for name in names if f"{section}.{name}" not in AT_ONCE]
    return tuple(found)


def newly_skipped(before: Checked, after: Checked) -> list[str]:
    """Why deployments can't be called any more, or can't be called that are new. An entry's place in the file
    does not count, since it moves when another entry is added."""
    known = Counter(_PLACE.sub("", reason) for reason in before.skipped)
    found = []
    for reason in after.skipped:
        without_place = _PLACE.sub("", reason)
        if known[without_place] > 0:
            known[without_place] -= 1
        else:
            found.append(reason)
    return found
