"""The virtual keys in Postgres. Implements `functions.ports.governance.Keys`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from functions.contract.call import Call
from functions.contract.roles import Reach, Scope
from functions.ports.governance import anything
from runtime.governance.entities import DELETED_KEY, KEY
from runtime.governance.key_search import key_conditions
from runtime.governance.newcomers import Newcomers
from runtime.governance.row_store import Announce, RowStore
from runtime.governance.tenancy import Predicate, within
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.fields import Page
from schema.keys import KeyListQuery, KeyRecord
from schema.tables import naive
from schema.tables.budgets import Budget
from schema.tables.keys import DeletedVerificationToken, DeprecatedVerificationToken, VerificationToken
from schema.tables.projects import Project


class KeyStore(RowStore[KeyRecord]):
    def __init__(self, database: Database, announce: Announce, newcomers: Newcomers) -> None:
        super().__init__(database, KEY, announce)
        self.newcomers = newcomers
        self._budgets = RowCodec(Budget, BudgetRecord)
        self._deleted = RowCodec(DeletedVerificationToken, KeyRecord)
        self._graveyard: RowStore[KeyRecord] = RowStore(database, DELETED_KEY, announce)

    async def add(self, record: KeyRecord, *, call: Call) -> KeyRecord:
        """Add a key. The user whom the key is for gets a row where there is none, as in LiteLLM. Raises
        AlreadyExists."""
        async with self.changing(call):
            if record.user_id:
                await self.newcomers.ensure(record.user_id, call)
            made = await super().add(record, call=call)
            await self._leave_grace(record.token)
            return made

    async def change(
        self,
        id: str,
        changes: Mapping[str, object],
        *,
        check: Callable[[KeyRecord], None] = anything,
        call: Call,
    ) -> KeyRecord | None:
        async with self.changing(call):
            user_id = changes.get("user_id")
            if isinstance(user_id, str):
                await self.newcomers.ensure(user_id, call)
            after = await super().change(id, changes, call=call)
            if after is not None:
                check(after)
            return after

    async def deleted(self, key_hash: str, *, call: Call) -> KeyRecord | None:
        """A key as it was when it was deleted last. None where the scope has no such key."""
        table = DeletedVerificationToken
        scoped = within(table, call.scope)
        if scoped is None:
            return None
        with asking():
            found = table.select().where(table.token == key_hash, *scoped)  # type: ignore[arg-type]
            row = await found.order_by(table.deleted_at, ascending=False).first()
        return None if row is None else self._deleted.decode(row)

    async def take_out_all(self, condition: Predicate, *, call: Call) -> list[KeyRecord]:
        """Delete the keys of a row that is being deleted, in the same transaction. The caller's scope does
        not limit which keys."""
        everything = msgspec.structs.replace(call, scope=Scope(reaches=frozenset({Reach.ALL})))
        gone = await self.take_out(condition, call=everything)
        for record in gone:
            self.announce(record.token)
        return gone

    async def search(
        self, query: KeyListQuery, *, now: datetime, call: Call, named: bool = False
    ) -> Page[KeyRecord]:
        deleted = query.status == "deleted"
        table = DeletedVerificationToken if deleted else VerificationToken
        conditions = key_conditions(query, table, now=naive(now), call=call)
        if named:
            conditions.append(table.key_alias.is_not_null())
            order = [("key_alias", True)]
        else:
            order = [(query.sort_by, query.sort_order == "asc")]
        rows: RowStore[KeyRecord] = self._graveyard if deleted else self
        return await rows.listed(conditions, call=call, page=query.page, size=query.size, order=order)

    async def replace(
        self,
        key_hash: str,
        changes: Mapping[str, object],
        *,
        revoke_at: datetime | None,
        check: Callable[[KeyRecord], None] = anything,
        call: Call,
    ) -> KeyRecord | None:
        """Give a key another hash. The row stays the same one, with its `key_id` and what the key has spent;
        the hash, the fields in `changes` and `rotation_count` change. The old hash works until `revoke_at`.
        None where there is no such key within the scope. Raises AlreadyExists."""
        old = DeprecatedVerificationToken
        async with self.changing(call, action="rotated"):
            record = await self.locked(key_hash, call=call)
            if record is None:
                return None
            counted = {**changes, "rotation_count": record.rotation_count + 1}
            after = await self.write(record, counted, call=call)
            check(after)
            now = naive(datetime.now(UTC))
            await self._leave_grace(after.token, of=key_hash)
            await old.delete().where(old.revoke_at <= now)
            await old.update({old.active_token_id: after.token}).where(old.active_token_id == key_hash)
            if revoke_at is not None:
                await old.insert(
                    old(
                        token=key_hash,
                        active_token_id=after.token,
                        revoke_at=naive(revoke_at),
                        created_at=now,
                    )
                )
        for token in (key_hash, after.token):
            self.announce(token)
        return after

    async def _leave_grace(self, token: str, *, of: str = "") -> None:
        """Delete the grace entry of a hash that is a key's hash again, where the entry is of the key `of` or
        is over. (A grace entry lets an old hash work for a while.) This must run after the insert or update,
        which waits for a transaction with the same hash. Raises AlreadyExists where the hash is another key's
        old one."""
        old = DeprecatedVerificationToken
        over = (old.active_token_id == of) | (old.revoke_at <= naive(datetime.now(UTC)))
        await old.delete().where((old.token == token) & over)
        if await old.exists().where(old.token == token):
            raise self.entity.taken("key: another key has it; choose another.", param="key")

    async def team_of_project(self, project_id: str) -> str | None:
        with asking():
            row = await Project.select(Project.team_id).where(Project.project_id == project_id).first()
        return None if row is None else str(row["team_id"])

    async def budget(self, budget_id: str) -> BudgetRecord | None:
        with asking():
            row = await Budget.select().where(Budget.budget_id == budget_id).first()
        return None if row is None else self._budgets.decode(row)
