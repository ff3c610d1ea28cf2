"""Changes what is stored beside the config file. Implements the port `StoredRegistry`.

One change follows the other, over all workers: a lock of the database's transaction sees to it. Each change
is judged with the whole registry as it would be then, and written only if that can be in force. A value that
did not change keeps its sealed text.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from functions.contract.call import Call
from functions.rules.stored_values import kept_at_home
from models_registry.config.reader import Config
from models_registry.config.stored import (
    CACHE_SETTINGS,
    NOTHING,
    PASSWORD,
    ROUTER_SETTINGS,
    Stored,
    StoredCredential,
    StoredModel,
)
from models_registry.target import Target
from runtime.governance.row_store import actor
from runtime.postgres.database import Database
from runtime.postgres.listener import EVERYTHING
from runtime.registry.fitting import Fitting, newly_unfit
from runtime.registry.live import LiveRegistry, Loaded, newly_skipped
from runtime.registry.sealed_values import seal_values
from runtime.registry.stored_rows import (
    CREDENTIALS,
    MODELS,
    SETTINGS,
    StoredRows,
    read_at_once,
    read_rows,
)
from runtime.state.sealing import Sealer
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest, TooComplex
from schema.tables import naive
from schema.tables.models import StoredCredentialRow, StoredModelRow, StoredSetting

MAX_MODELS = 5_000
MAX_CREDENTIALS = 5_000
TURN = 0x5317_6EA2_0003
"""The number of the lock that makes one change follow the other."""
NOT_STORED = (
    "Models are not stored in the database here: `general_settings.store_model_in_db` of the config file, or "
    "the variable STORE_MODEL_IN_DB, says so. Set it to true."
)
NO_SALT_KEY = (
    "This gateway has no salt key, so it stores no credential. Set SWITCHGEAR_SALT_KEY to a text that can't "
    "be guessed, the same for all servers of this database."
)


_FORGET_SLOTS = """
    DELETE FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Account" WHERE account = ANY ($1) AND leased = 0
        FOR UPDATE SKIP LOCKED)
"""
"""The statement that deletes the accounts of slots of deployments that are gone. They have no window whose
end would delete them."""
_OF_MODEL = re.compile(r"^model [^ ]{1,100}?\.(?=litellm_params|model_info)")
_PATH = re.compile(r"[A-Za-z0-9_.\[\]]{1,200}")


class RegistryEditor:
    """Changes stored models, credentials and settings."""

    def __init__(self, database: Database, live: LiveRegistry) -> None:
        self._database = database
        self._live = live

    def in_force(self) -> Config:
        """See StoredRegistry."""
        return self._live.in_force.checked.config

    async def read(self) -> Stored:
        """See StoredRegistry."""
        if not self._live.stores:
            return NOTHING
        return await self._live.opened(await read_at_once(self._database))

    async def trial(self, model: StoredModel) -> Target | str:
        """See StoredRegistry."""
        in_force = self._live.in_force
        stored = msgspec.structs.replace(in_force.stored, models=(*in_force.stored.models, model))
        checked = await asyncio.to_thread(self._live.checked, in_force.document, stored)
        everything = checked.registry.everything()
        found = next((each for each in everything if each.model_id == model.model_id), None)
        if found is None:
            reasons = [each.reason for each in checked.config.skipped if each.model_id == model.model_id]
            reasons += [each for each in checked.skipped if model.model_id in each]
            return _OF_MODEL.sub("", reasons[0]) if reasons else "It can't be called."
        return "A pattern (*) is no model: name one." if "*" in found.model else found

    async def change(self, change: Callable[[Stored], Stored], *, call: Call) -> Stored:
        """See StoredRegistry."""
        if not self._live.stores:
            raise InvalidRequest(NOT_STORED)
        sealer = self._live.sealer
        if sealer is None:
            raise InvalidRequest(NO_SALT_KEY)
        async with self._database.transaction():
            transaction = self._database.engine.current_transaction.get()
            assert transaction is not None, "the transaction was just begun"
            connection = transaction.connection
            await connection.execute("SELECT set_config('switchgear.actor', $1, true)", actor(call))
            await connection.execute("SELECT pg_advisory_xact_lock($1)", TURN)
            rows = await read_rows(connection)
            before = await self._live.opened(rows)
            after = _stamped(before, kept_at_home(before, change(before)), call)
            document = self._live.in_force.document
            fit = await self._judge(document, before, after)
            await _StoredChange(connection, rows, sealer, call).write(before, after)
            written = await read_rows(connection)
        try:
            await self._live.refresh(
                Loaded(rows=written, stored=fit.stored, checked=fit.checked, document=document)
            )
        except DatabaseUnavailable:
            self._live.heard(EVERYTHING)  # it is stored, and in force as soon as it can be read
        return after

    async def _judge(self, document: dict[str, Any], before: Stored, after: Stored) -> Fitting:
        """What can be in force of these rows. Raises InvalidRequest where something could not be that the
        change brings, or that could be before."""
        if len(after.models) > MAX_MODELS or len(after.credentials) > MAX_CREDENTIALS:
            raise TooComplex(f"At most {MAX_MODELS} models and {MAX_CREDENTIALS} credentials are stored.")
        fit = await asyncio.to_thread(self._live.fitting, document, after)
        checked = fit.checked
        now = self._live.in_force.checked
        known = set(now.errors)
        problems = [each for each in checked.errors if each not in known] + newly_skipped(now, checked)
        if checked.config.unfit_settings:  # some may be so since a moment ago, and not by this change
            was = await asyncio.to_thread(self._live.fitting, document, before)
            problems += newly_unfit(was.checked, checked, changed=_changed_settings(before, after))
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            said = _OF_MODEL.sub("", problems[0])
            path = said.partition(":")[0]
            raise InvalidRequest(
                f"Nothing is changed, since this would be wrong: {said}{more}",
                param=path if _PATH.fullmatch(path) else None,
            )
        return fit


def _changed_settings(before: Stored, after: Stored) -> frozenset[str]:
    """The names of the router's settings that a change brings."""
    was, now = before.router_settings, after.router_settings
    return frozenset(name for name in now if name not in was or was[name] != now[name])


def _stamped(before: Stored, after: Stored, call: Call) -> Stored:
    """What shall be stored, with who made it and when."""
    now, author = datetime.now(UTC), call.caller.user_id
    known = {each.model_id: each for each in before.models}

    def stamped(model: StoredModel) -> StoredModel:
        was = known.get(model.model_id)
        if was == model:
            return model
        made = {} if was is not None else {"created_at": now, "created_by": author}
        return msgspec.structs.replace(model, updated_at=now, updated_by=author, **made)

    return msgspec.structs.replace(after, models=tuple(stamped(each) for each in after.models))


def _moment(at: datetime | None) -> datetime | None:
    return None if at is None else naive(at)


class _StoredChange:
    """Writes the difference between what is stored and what shall be."""

    def __init__(self, connection: asyncpg.Connection, rows: StoredRows, sealer: Sealer, call: Call) -> None:
        self._connection = connection
        self._sealer = sealer
        self._now = naive(datetime.now(UTC))
        self._author = call.caller.user_id
        self._models = {row[0]: row[2] for row in rows.models}
        self._credentials = {row[0]: row[2] for row in rows.credentials}
        self._settings = {ROUTER_SETTINGS: rows.settings, CACHE_SETTINGS: rows.cache}

    async def write(self, before: Stored, after: Stored) -> None:
        """Raises InvalidRequest for a team that does not exist."""
        known = {each.model_id: each for each in before.models}
        for model in after.models:
            if model != known.get(model.model_id):
                await self._model(known.get(model.model_id), model)
        gone = known.keys() - {each.model_id for each in after.models}
        if gone:
            await StoredModelRow.delete().where(StoredModelRow.model_id.is_in(sorted(gone)))
            await self._connection.execute(_FORGET_SLOTS, [f"parallel:deployment:{each}" for each in gone])
        shared = {each.id: each for each in before.credentials}
        for credential in after.credentials:
            if credential != shared.get(credential.id):
                await self._credential(shared.get(credential.id), credential)
        left = shared.keys() - {each.id for each in after.credentials}
        if left:
            await StoredCredentialRow.delete().where(StoredCredentialRow.credential_id.is_in(sorted(left)))
        router = (dict(before.router_settings), before.router_flaw)
        if router != (dict(after.router_settings), after.router_flaw):
            await self._write_settings(ROUTER_SETTINGS, dict(after.router_settings))
        if dict(before.cache_settings) != dict(after.cache_settings) or before.cache_flaw != after.cache_flaw:
            await self._write_settings(CACHE_SETTINGS, self._sealed_password(before, after))

    async def _model(self, before: StoredModel | None, after: StoredModel) -> None:
        sealed = self._models.get(after.model_id, "{}")
        params = self._sealed(
            sealed,
            {} if before is None else before.litellm_params,
            after.litellm_params,
            (MODELS, after.model_id),
            after.unread,
        )
        values: dict[Any, Any] = {
            "model_name": after.model_name,
            "litellm_params": params,
            "model_info": msgspec.json.encode(dict(after.model_info)).decode(),
            "team_id": after.team_id,
            "blocked": after.blocked,
            "updated_at": _moment(after.updated_at),
            "updated_by": after.updated_by,
        }
        try:
            if before is None:
                made: dict[Any, Any] = {
                    "created_at": _moment(after.created_at),
                    "created_by": after.created_by,
                }
                await StoredModelRow.insert(StoredModelRow(model_id=after.model_id, **values, **made))
            else:
                await StoredModelRow.update(values).where(StoredModelRow.model_id == after.model_id)
        except asyncpg.ForeignKeyViolationError as exc:
            raise InvalidRequest("model_info.team_id: there is no such team.", param="model_info") from exc

    async def _credential(self, before: StoredCredential | None, after: StoredCredential) -> None:
        sealed = self._credentials.get(after.id, "{}")
        values: dict[Any, Any] = {
            "credential_name": after.name,
            "credential_values": self._sealed(
                sealed,
                {} if before is None else before.values,
                after.values,
                (CREDENTIALS, after.id),
                after.unread,
            ),
            "credential_info": msgspec.json.encode(dict(after.info)).decode(),
            **self._stamps(is_new=before is None),
        }
        if before is None:
            await StoredCredentialRow.insert(StoredCredentialRow(credential_id=after.id, **values))
        else:
            await StoredCredentialRow.update(values).where(StoredCredentialRow.credential_id == after.id)

    async def _write_settings(self, name: str, after: dict[str, Any]) -> None:
        is_new = self._settings[name] is None
        values: dict[Any, Any] = {
            "param_value": msgspec.json.encode(after).decode(),
            **self._stamps(is_new=is_new),
        }
        if is_new:
            await StoredSetting.insert(StoredSetting(param_name=name, **values))
        else:
            await StoredSetting.update(values).where(StoredSetting.param_name == name)

    def _sealed_password(self, before: Stored, after: Stored) -> dict[str, Any]:
        """The settings of the response cache, of which the password alone is sealed."""
        plain = {name: value for name, value in after.cache_settings.items() if name != PASSWORD}
        was, now = (
            {name: value for name, value in each.cache_settings.items() if name == PASSWORD}
            for each in (before, after)
        )
        written = self._settings[CACHE_SETTINGS] if not before.cache_flaw else None
        sealed = self._sealed(written or "{}", was, now, (SETTINGS, CACHE_SETTINGS), ())
        return plain | dict(msgspec.json.decode(sealed))

    def _sealed(
        self,
        sealed: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        place: tuple[str, str],
        unread: Collection[str],
    ) -> str:
        """The values as JSON, sealed. Those that are as before keep their text, and so do the `unread` ones,
        which nobody here can open. `place` is the table and the row."""
        texts = msgspec.json.decode(sealed)
        kept = {name: texts[name] for name in after if name in before and before[name] == after[name]}
        fresh = {name: value for name, value in after.items() if name not in kept}
        made = seal_values(fresh, self._sealer, table=place[0], row=place[1])
        closed = {name: texts[name] for name in texts if name in unread}
        return msgspec.json.encode({name: kept.get(name, made.get(name)) for name in after} | closed).decode()

    def _stamps(self, *, is_new: bool) -> dict[str, Any]:
        stamps = {"updated_at": self._now, "updated_by": self._author}
        return stamps | {"created_at": self._now, "created_by": self._author} if is_new else stamps
