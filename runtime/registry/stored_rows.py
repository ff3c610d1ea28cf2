"""Reads what is stored beside the config file: models, credentials, router settings."""

import json
from datetime import UTC
from typing import Any

import asyncpg
import msgspec

from models_registry.config.storable import variable_in
from models_registry.config.stored import (
    CACHE_SETTINGS,
    PASSWORD,
    ROUTER_SETTINGS,
    Stored,
    StoredCredential,
    StoredModel,
)
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.registry.sealed_values import open_values
from runtime.state.sealing import Sealer

MODELS = "LiteLLM_ProxyModelTable"
CREDENTIALS = "LiteLLM_CredentialsTable"
SETTINGS = "LiteLLM_Config"
MAX_STORED = 20_000
"""How many rows of a table are read at most."""
_MODELS = f"""
    SELECT model_id, model_name, litellm_params::text, model_info::text, team_id, blocked,
           created_at, created_by, updated_at, updated_by
    FROM "{MODELS}" ORDER BY created_at, model_id LIMIT {MAX_STORED}
"""
_CREDENTIALS = f"""
    SELECT credential_id, credential_name, credential_values::text, credential_info::text
    FROM "{CREDENTIALS}" ORDER BY credential_name LIMIT {MAX_STORED}
"""
_SETTINGS = f"""SELECT param_value::text FROM "{SETTINGS}" WHERE param_name = $1"""


class StoredRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows as they stand in the tables, sealed. Two reads without a change between them are equal."""

    models: tuple[tuple[Any, ...], ...] = ()
    credentials: tuple[tuple[Any, ...], ...] = ()
    settings: str | None = None
    cache: str | None = None
    """The settings of the response cache."""


async def read_rows(connection: asyncpg.Connection) -> StoredRows:
    """The rows of all three tables. The caller's transaction keeps them of one moment."""
    models = await connection.fetch(_MODELS)
    credentials = await connection.fetch(_CREDENTIALS)
    return StoredRows(
        models=tuple(tuple(row) for row in models),
        credentials=tuple(tuple(row) for row in credentials),
        settings=await connection.fetchval(_SETTINGS, ROUTER_SETTINGS),
        cache=await connection.fetchval(_SETTINGS, CACHE_SETTINGS),
    )


async def read_at_once(database: Database) -> StoredRows:
    """The rows as they are at one moment. Raises DatabaseUnavailable."""
    with asking():
        async with (
            database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await read_rows(connection)


def opened(
    rows: StoredRows, sealer: Sealer | None, before: tuple[StoredRows, Stored] | None = None
) -> Stored:
    """The rows with their values opened. A row that can't be opened has a flaw, and the others are there.
    `before` are rows that were opened by the same salt key: a row that is as it was then is not opened
    again."""
    known: dict[tuple[Any, ...], StoredModel] = {}
    if before is not None:
        by_id = {each.model_id: each for each in before[1].models}  # their order may be another one
        known = {row: by_id[row[0]] for row in before[0].models if row[0] in by_id}
    settings, settings_flaw = _settings(rows.settings)
    cache, flaw = _cache_settings(rows.cache, sealer)
    return Stored(
        models=tuple(known.get(row) or _model(row, sealer) for row in rows.models),
        credentials=tuple(_credential(row, sealer) for row in rows.credentials),
        router_settings=settings,
        router_flaw=settings_flaw,
        cache_settings=cache,
        cache_flaw=flaw,
    )


def _settings(text: str | None) -> tuple[dict[str, Any], str]:
    """Settings as they are stored, and why they can't be read."""
    if text is None:
        return {}, ""
    found = _read(text)
    return (found, "") if isinstance(found, dict) else ({}, "expected an object")


def _cache_settings(text: str | None, sealer: Sealer | None) -> tuple[dict[str, Any], str]:
    """The settings of the response cache, and why they can't be used. The password alone is sealed: another
    text that looks so stays as it is."""
    plain, flaw = _settings(text)
    if flaw:
        return {}, flaw
    sealed = {PASSWORD: plain.pop(PASSWORD)} if PASSWORD in plain else {}
    password, _, flaw = open_values(sealed, sealer, table=SETTINGS, row=CACHE_SETTINGS)
    found = plain | password
    name = variable_in(found)
    if name is not None:
        return {}, f"{name[:100]} names a variable, which the config file alone may do"
    return found, flaw


def _model(row: tuple[Any, ...], sealer: Sealer | None) -> StoredModel:
    model_id, name, params, info, team_id, blocked, created_at, created_by, updated_at, updated_by = row
    said = {**_object(info), **({"team_id": team_id} if team_id else {})}
    values, unread, flaw = open_values(_object(params), sealer, table=MODELS, row=model_id)
    if not team_id and said.get("team_id"):
        flaw = "its model_info names a team, and its column team_id none"
    return StoredModel(
        model_id=model_id,
        model_name=name,
        litellm_params=values,
        unread=unread,
        model_info=said,
        blocked=blocked,
        flaw=flaw,
        created_at=created_at.replace(tzinfo=UTC),
        created_by=created_by,
        updated_at=updated_at.replace(tzinfo=UTC),
        updated_by=updated_by,
    )


def _credential(row: tuple[Any, ...], sealer: Sealer | None) -> StoredCredential:
    credential_id, name, values, info = row
    found, unread, flaw = open_values(_object(values), sealer, table=CREDENTIALS, row=credential_id)
    return StoredCredential(
        id=credential_id, name=name, values=found, unread=unread, info=_object(info), flaw=flaw
    )


def _object(text: str) -> dict[str, Any]:
    """A JSON object. Empty where SQL put something else there."""
    value = _read(text)
    return value if isinstance(value, dict) else {}


def _read(text: str) -> object:
    """The value of a JSON text, None for one that can't be read. Python's own reader takes numbers of up to
    4,300 digits, and msgspec's takes shorter ones."""
    try:
        found: object = json.loads(text)
        return found
    except (ValueError, RecursionError):
        return None
