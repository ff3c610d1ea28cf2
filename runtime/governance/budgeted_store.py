"""Rows that have a budget of their own, or share one by its name: customers, projects and tags."""

import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from functions.contract.call import Call
from runtime.governance.entities import BUDGET
from runtime.governance.row_store import Announce, Entity, RowStore
from runtime.postgres.database import Database
from schema.budgets import BudgetRecord
from schema.tables.budgets import Budget

R = TypeVar("R", bound=msgspec.Struct)
I = TypeVar("I")  # noqa: E741


class BudgetedStore(RowStore[R], Generic[R, I]):
    """The store of a table whose rows have `budget_id`. `R` is the record, `I` the row as it is shown."""

    def __init__(self, database: Database, entity: Entity[R], announce: Announce) -> None:
        super().__init__(database, entity, announce)
        self._budgets = RowStore(database, BUDGET, announce)

    @abstractmethod
    def info(self, record: R, budget: BudgetRecord | None) -> I:
        """The row with its budget. None: it has none."""

    async def add_with(self, record: R, limits: Mapping[str, object], *, call: Call) -> I:
        """Add a row. It gets a budget of its own where there are limits."""
        async with self.changing(call):
            return await self.shown(await self.add(await self.with_budget(record, limits, call), call=call))

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> I | None:
        """Change a row. `limits` change its budget. A row without a budget gets one of its own."""
        async with self.changing(call):
            record = await self.locked(id, call=call)
            if record is None:
                return None
            values = dict(changes)
            kept = None if "budget_id" in changes else _budget_of(record)
            if limits and (kept is None or not await self._budgets.changed_within(kept, limits, call=call)):
                values["budget_id"] = await self._new_budget(limits, call)
            after = await self.shown(await self.write(record, values, call=call))
            self.announce(id)
        return after

    async def shown_rows(self, ids: Sequence[str], *, call: Call) -> list[I]:
        """The rows of these ids within the caller's scope, as they are shown."""
        async with self.database.transaction():
            return [await self.shown(record) for record in await self.some(ids, call=call)]

    async def with_budget(self, record: R, limits: Mapping[str, object], call: Call) -> R:
        """The record with a budget of its own that has these limits; as it is where there are none."""
        if not limits:
            return record
        return msgspec.structs.replace(record, budget_id=await self._new_budget(limits, call))

    async def shown(self, record: R) -> I:
        """The row as it is shown."""
        row, budget_id = None, _budget_of(record)
        if budget_id is not None:
            row = await Budget.select().where(Budget.budget_id == budget_id).first()
        return self.info(record, None if row is None else self._budgets.codec.decode(row))

    async def _new_budget(self, limits: Mapping[str, object], call: Call) -> str:
        made = msgspec.structs.replace(BudgetRecord(budget_id=str(uuid.uuid4())), **limits)
        await self._budgets.add(made, call=call)
        return made.budget_id


def _budget_of(record: msgspec.Struct) -> str | None:
    found: str | None = getattr(record, "budget_id")  # noqa: B009  (each record of these tables has it)
    return found
