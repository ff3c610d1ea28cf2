"""The saved filters in Postgres. Implements `functions.ports.governance.SavedFilterStore`.

Every statement has the caller's user id among its conditions, whatever the caller's role. The audit log gets
who saved which name for which page. It does not get what the filters look for: nobody reads another's.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from functions.contract.call import MASTER_USER_ID, Call
from runtime.governance.audit_note import note_of, write_note
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict, NotFound
from schema.saved_filters import SavedFilter

TABLE = "Switchgear_SavedFilter"
COLUMNS = ", ".join(SavedFilter.__struct_fields__)
_LIST = f"""
    SELECT {COLUMNS} FROM "{TABLE}" WHERE user_id = $1 AND ($2::text IS NULL OR page = $2) ORDER BY page, name
"""
_USER = 'SELECT 1 FROM "LiteLLM_UserTable" WHERE user_id = $1 FOR KEY SHARE'
"""The user stays until the row is there, and is deleted with the row after that."""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_COUNT = f'SELECT count(*) FROM "{TABLE}" WHERE user_id = $1'
_ADD = f"""
    INSERT INTO "{TABLE}" (user_id, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (user_id, page, name) DO NOTHING RETURNING {COLUMNS}
"""
_ONE = f'SELECT {COLUMNS} FROM "{TABLE}" WHERE user_id = $1 AND filter_id = $2 FOR UPDATE'
_CHANGE = f"""
    UPDATE "{TABLE}" SET name = coalesce($3, name), filters = coalesce($4::jsonb, filters), updated_at = $5
    WHERE user_id = $1 AND filter_id = $2 RETURNING {COLUMNS}
"""
_REMOVE = f'DELETE FROM "{TABLE}" WHERE user_id = $1 AND filter_id = $2 RETURNING {COLUMNS}'
_JSON = msgspec.json.Decoder(dict[str, str])


class OwnFilters:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_caller(self, page: str | None, *, call: Call) -> list[SavedFilter]:
        """See SavedFilterStore."""
        with asking():
            async with self._database.connection() as connection:
                rows = await connection.fetch(_LIST, call.caller.user_id, page)
        return [_record(row) for row in rows]

    async def add(self, saved: SavedFilter, *, most: int, call: Call) -> SavedFilter:
        """See SavedFilterStore."""
        owner, encoded = call.caller.user_id, msgspec.json.encode(saved.filters).decode()
        async with self._changing() as connection:
            await connection.execute(_ONE_AT_A_TIME, f"saved filters of {owner}")
            if owner != MASTER_USER_ID and await connection.fetchval(_USER, owner) is None:
                raise NotFound("The caller is no user any more, so no filters are kept.")
            if await connection.fetchval(_COUNT, owner) >= most:
                raise InvalidRequest(f"At most {most} filters are kept; delete one that is not needed.")
            row = await connection.fetchrow(
                _ADD,
                owner,
                saved.filter_id,
                saved.page,
                saved.name,
                encoded,
                saved.created_at,
                saved.updated_at,
            )
            if row is None:
                raise _taken()
            await _note(connection, "created", saved, call)
        return _record(row)

    async def change(
        self, filter_id: str, *, name: str | None, filters: Mapping[str, str] | None, call: Call
    ) -> SavedFilter | None:
        """See SavedFilterStore."""
        encoded = None if filters is None else msgspec.json.encode(filters).decode()
        try:
            async with self._changing() as connection:
                found = await connection.fetchrow(_ONE, call.caller.user_id, filter_id)
                if found is None:
                    return None
                was = _record(found)
                if name in (None, was.name) and filters in (None, was.filters):
                    return was
                row = await connection.fetchrow(
                    _CHANGE, call.caller.user_id, filter_id, name, encoded, call.received_at
                )
                changed = _record(row)
                await _note(connection, "updated", changed, call)
        except asyncpg.UniqueViolationError as exc:
            raise _taken() from exc
        return changed

    async def remove(self, filter_id: str, *, call: Call) -> SavedFilter | None:
        """See SavedFilterStore."""
        async with self._changing() as connection:
            row = await connection.fetchrow(_REMOVE, call.caller.user_id, filter_id)
            if row is None:
                return None
            await _note(connection, "deleted", _record(row), call)
        return _record(row)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[asyncpg.Connection]:
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                yield connection


def _record(row: asyncpg.Record) -> SavedFilter:
    return SavedFilter(**{**dict(row), "filters": _JSON.decode(row["filters"])})


def _taken() -> Conflict:
    return Conflict("name: you have saved filters of this page under it; choose another.", param="name")


async def _note(connection: asyncpg.Connection, action: str, saved: SavedFilter, call: Call) -> None:
    note = note_of(
        call, action, table=TABLE, object_id=saved.filter_id, facts={"page": saved.page, "name": saved.name}
    )
    await write_note(connection, note)
