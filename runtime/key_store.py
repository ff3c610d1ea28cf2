"""The virtual keys in Postgres. Implements `functions.context.Keys`."""

import functools
import operator
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from piccolo.columns.combination import Where, WhereRaw
from piccolo.query.functions import Count

from functions.context import Caller
from models_registry.price import NANO_PER_USD, usd
from runtime.database import Database
from runtime.database_errors import asking
from schema.errors import Conflict
from schema.keys import KeyListQuery, KeyPage, KeyRecord
from schema.tables import aware, naive
from schema.tables.keys import DeletedVerificationToken, VerificationToken

_metadata = msgspec.json.Decoder(dict[str, msgspec.Raw])


class KeyStore:
    """Keys by hash. Every method raises DatabaseUnavailable, or InvalidRequest for text with a NUL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: KeyRecord) -> None:
        """Raises Conflict where the hash or the alias exists."""
        created_at = naive(record.created_at)
        row = VerificationToken(
            token=record.token,
            key_name=record.key_name,
            key_alias=record.key_alias,
            spend=usd(record.spend_nano),
            expires=None if record.expires is None else naive(record.expires),
            models=record.models,
            user_id=record.user_id,
            team_id=record.team_id,
            metadata=msgspec.json.encode(record.metadata).decode(),
            blocked=record.blocked,
            created_at=created_at,
            created_by=record.created_by,
            updated_at=created_at,
            updated_by=record.created_by,
        )
        try:
            with asking():
                await VerificationToken.insert(row)
        except asyncpg.UniqueViolationError as exc:
            raise _conflict(exc, record) from exc

    async def find(self, key_hash: str) -> KeyRecord | None:
        with asking():
            row = await VerificationToken.select().where(VerificationToken.token == key_hash).first()
        return None if row is None else _record(row)

    async def page(self, query: KeyListQuery, *, user_id: str | None) -> KeyPage:
        """Newest first."""
        rows = VerificationToken.select()
        total = VerificationToken.select(Count(alias="total"))
        for condition in _conditions(query, user_id):
            rows = rows.where(condition)
            total = total.where(condition)
        rows = rows.order_by(VerificationToken.created_at, VerificationToken.token, ascending=False)
        rows = rows.limit(query.size).offset((query.page - 1) * query.size)
        async with self._database.transaction():
            found = await rows
            counted = await total
        return KeyPage(records=[_record(row) for row in found], total=counted[0]["total"])

    async def remove(self, key_hashes: Sequence[str], aliases: Sequence[str], *, by: Caller) -> list[str]:
        """Moves the rows to the table of deleted keys, in one transaction; gives their hashes, sorted."""
        wanted = ((VerificationToken.token, key_hashes), (VerificationToken.key_alias, aliases))
        conditions = [column.is_in(list(values)) for column, values in wanted if values]
        if not conditions:
            return []
        async with self._database.transaction():
            delete = VerificationToken.delete().where(functools.reduce(operator.or_, conditions))
            gone = await delete.returning(*VerificationToken.all_columns())
            if gone:
                await DeletedVerificationToken.insert(*(_deleted(row, by) for row in gone))
        return sorted(row["token"] for row in gone)


def _conditions(query: KeyListQuery, user_id: str | None) -> list[Where | WhereRaw]:
    wanted = (
        (VerificationToken.user_id, user_id),
        (VerificationToken.user_id, query.user_id),
        (VerificationToken.team_id, query.team_id),
        (VerificationToken.key_alias, query.key_alias),
        (VerificationToken.token, query.key_hash),
    )
    return [column == value for column, value in wanted if value is not None]


def _conflict(exc: asyncpg.UniqueViolationError, record: KeyRecord) -> Conflict:
    if "key_alias" in (exc.constraint_name or ""):
        return Conflict(
            f"key_alias: a key named {record.key_alias!r} exists; choose another name or delete it.",
            param="key_alias",
        )
    return Conflict("key: this key exists; choose another.", param="key")


def _deleted(row: dict[str, Any], by: Caller) -> DeletedVerificationToken:
    return DeletedVerificationToken(
        id=str(uuid.uuid4()),
        **row,
        deleted_at=naive(datetime.now(UTC)),
        deleted_by=by.user_id,
        deleted_by_api_key=by.key_hash,
    )


def _record(row: dict[str, Any]) -> KeyRecord:
    """A row as Piccolo gives it: values by column, of the columns' own types."""
    return KeyRecord(
        token=row["token"],
        key_name=row["key_name"] or "",
        key_alias=row["key_alias"],
        user_id=row["user_id"],
        team_id=row["team_id"],
        models=row["models"],
        metadata=_metadata.decode(row["metadata"]),
        expires=None if row["expires"] is None else aware(row["expires"]),
        blocked=bool(row["blocked"]),
        spend_nano=int(row["spend"] * NANO_PER_USD),
        created_at=aware(row["created_at"]),
        created_by=row["created_by"] or "",
    )


class AnnouncedKeys:
    """A key store that says which keys it changed, so that no cache goes on with the old ones."""

    def __init__(self, store: KeyStore, changed: Callable[[str], None]) -> None:
        self._store = store
        self._changed = changed
        self.find = store.find
        self.page = store.page

    async def add(self, record: KeyRecord) -> None:
        await self._store.add(record)
        self._changed(record.token)

    async def remove(self, key_hashes: Sequence[str], aliases: Sequence[str], *, by: Caller) -> list[str]:
        gone = await self._store.remove(key_hashes, aliases, by=by)
        for key_hash in gone:
            self._changed(key_hash)
        return gone
