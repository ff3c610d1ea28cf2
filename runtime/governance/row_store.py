"""Governed rows in Postgres: one store for all tables. `runtime/governance/entities.py` says how tables
differ.

Every read and change stays inside the caller's scope (`runtime/governance/tenancy.py`). A change locks its
row first: two changes at once are applied one after the other, each to the fields that it names. A setting of
the transaction says who makes the change, and the audit trigger reads it there.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec
from piccolo.columns import Column
from piccolo.query.functions import Count
from piccolo.table import Table

from functions.contract.call import Call
from runtime.governance.tenancy import Predicate, within
from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict
from schema.fields import Page
from schema.metadata import MetadataChange
from schema.tables import naive

R = TypeVar("R", bound=msgspec.Struct)
COLLECTIONS = (list, tuple, set, frozenset)
Announce = Callable[[str], None]


class Entity(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """The facts about one governed table."""

    table: type[Table]
    record: type[R]
    id: str
    """The column with the id by which rows are found: `team_id`."""
    topic: str
    """The first word of the topics that announce changes: `team` for `team:<id>`."""
    noun: str
    """The word for a row in messages: `access group`."""
    deleted: type[Table] | None = None
    """The table that keeps deleted rows. None where they are not kept."""
    taken: type[GatewayError] = Conflict
    """The error for a second row with the same id or name. LiteLLM has another one for some tables."""


class RowStore(Generic[R]):
    """The store of one governed table. Implements `functions.ports.governance.Rows`. Every method raises
    DatabaseUnavailable, or InvalidRequest for text that no column can hold."""

    def __init__(self, database: Database, entity: Entity[R], announce: Announce) -> None:
        self.database = database
        self.entity = entity
        self.codec = RowCodec(entity.table, entity.record)
        self._announce = announce
        self._id: Column = self.codec.columns[entity.id]
        self._stamped = "updated_by" in self.codec.columns

    async def add(self, record: R, *, call: Call) -> R:
        """Add a row. Raises `entity.taken` (Conflict for most tables) where the id, or another unique name,
        is taken."""
        values = {name: getattr(record, name) for name in self.codec.columns}
        values |= self.stamps(call, created=True)
        async with self.changing(call):
            with self.refusing():
                await self.entity.table.insert(self.entity.table(**self.codec.encode(values)))  # type: ignore[arg-type]  # names, not columns
        self.announce(getattr(record, self.entity.id))
        return msgspec.structs.replace(record, **{k: v for k, v in values.items() if k in self.codec.columns})

    async def find(self, id: str, *, call: Call) -> R | None:
        """The row with this id. None where there is no such row within the scope."""
        found = await self.some([id], call=call)
        return found[0] if found else None

    async def some(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """The rows with these ids that are within the scope, ordered by id."""
        return await self._selected(call, self._id.is_in(list(ids)), order=[self._id]) if ids else []

    async def page(
        self, where: Mapping[str, object], *, call: Call, page: int = 1, size: int = 100
    ) -> Page[R]:
        """One page of the rows that have these values, newest first. A list of values means any of them."""
        wanted = self.conditions(where)
        if wanted is None:
            return Page(records=[], total=0)
        return await self.listed(wanted, call=call, page=page, size=size)

    def conditions(self, where: Mapping[str, object]) -> list[Predicate] | None:
        """The conditions of `where`. None where no row can meet them: one of the lists is empty."""
        if any(isinstance(value, COLLECTIONS) and not value for value in where.values()):
            return None
        return [self._condition(name, value) for name, value in where.items() if value is not None]

    async def dearest(self, *, call: Call, limit: int) -> list[R]:
        """The rows that have spent the most."""
        return (await self.listed([], call=call, page=1, size=limit, order=[("spend", False)])).records

    async def listed(
        self,
        wanted: Sequence[Predicate],
        *,
        call: Call,
        page: int,
        size: int,
        order: Sequence[tuple[str, bool]] = (),
    ) -> Page[R]:
        """One page of the rows that meet the conditions `wanted` within the scope. `order` has column names,
        each with whether it ascends; without it the newest rows come first."""
        scoped = within(self.entity.table, call.scope)
        if scoped is None:
            return Page(records=[], total=0)
        conditions = (*wanted, *scoped)
        rows = self.entity.table.select(*self.codec.columns.values())
        rows = rows.where(*conditions)  # type: ignore[arg-type]  # Piccolo's own union of conditions
        total = self.entity.table.select(Count(alias="total")).where(*conditions)  # type: ignore[arg-type]
        newest = [("created_at", False)] if "created_at" in self.codec.columns else []
        for name, ascending in order or newest:
            rows = rows.order_by(self.codec.columns[name], ascending=ascending)
        rows = rows.order_by(self._id).limit(size).offset((page - 1) * size)
        async with self.database.transaction():
            found = await rows
            counted = await total
        return Page(records=[self.codec.decode(row) for row in found], total=counted[0]["total"])

    async def change(self, id: str, changes: Mapping[str, object], *, call: Call) -> R | None:
        """Set the named fields of a row, and no others. Gives the changed row, or None where there is no such
        row within the scope. A MetadataChange is applied to the metadata that the row has."""
        async with self.changing(call):
            record = await self.locked(id, call=call)
            if record is None:
                return None
            after = await self.write(record, changes, call=call)
        self.announce(id)
        return after

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Delete the rows with these ids that are within the scope. A record of each is kept, where the
        entity has a table for deleted rows."""
        if not ids:
            return []
        async with self.changing(call):
            gone = await self.take_out(self._id.is_in(list(ids)), call=call)
        for record in gone:
            self.announce(getattr(record, self.entity.id))
        return gone

    # The methods below are for stores that change several tables in one transaction.

    @asynccontextmanager
    async def changing(self, call: Call, action: str | None = None) -> AsyncIterator[None]:
        """A transaction that knows who makes its changes. `action` is the audit log's word for them, such as
        `rotated`; without it the audit log has `created`, `updated`, `deleted`, `blocked` or `unblocked`."""
        async with self.database.transaction():
            transaction = self.database.engine.current_transaction.get()
            assert transaction is not None, "the transaction was just begun"
            await transaction.connection.execute(
                "SELECT set_config('switchgear.actor', $1, true)", actor(call, action)
            )
            yield

    async def locked(self, id: str, *, call: Call) -> R | None:
        """The row with this id, locked until the transaction ends. None where there is no such row within the
        scope."""
        scoped = within(self.entity.table, call.scope)
        if scoped is None:
            return None
        query = self.entity.table.select(*self.codec.columns.values())
        query = query.where(self._id == id, *scoped)  # type: ignore[arg-type]
        rows = await query.lock_rows("UPDATE")
        return self.codec.decode(rows[0]) if rows else None

    async def changed_within(self, id: str, changes: Mapping[str, object], *, call: Call) -> bool:
        """Change a row, such as a budget, that belongs to a row that the caller may change. The caller's
        scope does not matter for it. False where there is no such row."""
        rows = (
            await self.entity.table.select(*self.codec.columns.values())
            .where(self._id == id)
            .lock_rows("UPDATE")
        )
        if not rows:
            return False
        await self.write(self.codec.decode(rows[0]), changes, call=call)
        self.announce(id)
        return True

    async def write(self, record: R, changes: Mapping[str, object], *, call: Call) -> R:
        """Write changes to a locked row. Gives the changed row."""
        values = dict(changes)
        for name, value in values.items():
            if isinstance(value, MetadataChange):
                values[name] = value.applied(getattr(record, name))
        values |= self.stamps(call, created=False)
        id = getattr(record, self.entity.id)
        with self.refusing():
            await self.entity.table.update(self.codec.encode(values)).where(self._id == id)
        return msgspec.structs.replace(record, **values)

    async def take_out(self, condition: Predicate, *, call: Call) -> list[R]:
        """Delete the rows that meet the condition and are within the scope. A record of each is kept, where
        the entity has a table for deleted rows."""
        scoped = within(self.entity.table, call.scope)
        if scoped is None:
            return []
        delete = self.entity.table.delete().where(condition, *scoped)  # type: ignore[arg-type]
        with self.refusing():
            rows = await delete.returning(*self.codec.columns.values())
        if rows and self.entity.deleted is not None:
            await self.entity.deleted.insert(*(self._kept(row, call) for row in rows))
        return sorted(
            (self.codec.decode(row) for row in rows), key=lambda each: getattr(each, self.entity.id)
        )

    def announce(self, id: str) -> None:
        """Announce that a row was changed, as soon as the change is committed."""
        topic = f"{self.entity.topic}:{id}"
        self.database.after_commit(lambda: self._announce(topic))

    def stamps(self, call: Call, *, created: bool) -> dict[str, object]:
        if not self._stamped:
            return {}
        now, author = datetime.now(UTC), call.caller.user_id
        stamps: dict[str, object] = {"updated_at": now, "updated_by": author}
        return stamps | {"created_at": now, "created_by": author} if created else stamps

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turns violated constraints of the database into errors of this gateway."""
        try:
            yield
        except asyncpg.UniqueViolationError as exc:
            column = _column_of(exc, self.codec.columns) or self.entity.id
            raise self.entity.taken(
                f"{column}: another {self.entity.noun} has it; choose another.", param=column
            ) from exc
        except asyncpg.ForeignKeyViolationError as exc:
            if "still referenced" in str(exc.detail or ""):
                raise Conflict(f"This {self.entity.noun} is in use; detach it first.") from exc
            column = _column_of(exc, self.codec.columns) or "budget_id"
            raise InvalidRequest(
                f"{column}: there is no such {column.removesuffix('_id')}.", param=column
            ) from exc

    async def _selected(self, call: Call, *conditions: Predicate, order: Sequence[Column]) -> list[R]:
        scoped = within(self.entity.table, call.scope)
        if scoped is None:
            return []
        query = self.entity.table.select(*self.codec.columns.values())
        query = query.where(*conditions, *scoped)  # type: ignore[arg-type]
        async with self.database.transaction():
            rows = await query.order_by(*order)
        return [self.codec.decode(row) for row in rows]

    def _condition(self, name: str, value: object) -> Predicate:
        column = self.codec.columns[name]
        if isinstance(value, COLLECTIONS):
            return column.is_in(list(value))
        return column == value

    def _kept(self, row: dict[str, Any], call: Call) -> Table:
        assert self.entity.deleted is not None
        return self.entity.deleted(
            id=str(uuid.uuid4()),
            **row,
            deleted_at=naive(datetime.now(UTC)),
            deleted_by=call.caller.user_id,
            deleted_by_api_key=call.caller.key_hash,
        )


def actor(call: Call, action: str | None = None) -> str:
    """Who makes a change, as JSON for the audit trigger."""
    said = {
        "user_id": call.caller.user_id,
        "key_hash": call.caller.key_hash,
        "claimed_by": call.claimed_by,
        "source_address": call.client_ip,
        "request_id": call.request_id,
        "action": action,
    }
    return msgspec.json.encode({name: value for name, value in said.items() if value}).decode()


def _column_of(exc: asyncpg.PostgresError, columns: Mapping[str, Column]) -> str | None:
    """The column that a violated constraint is about: the longest column name inside the constraint's name,
    such as `key_alias` in `..._key_alias_key`. None where no column's name is in it."""
    constraint = getattr(exc, "constraint_name", None) or ""
    found = [name for name in columns if f"_{name}_" in constraint]
    return max(found, key=len, default=None)
