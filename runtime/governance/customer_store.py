"""Customers in Postgres, with their budgets. Implements `functions.ports.governance.Customers`."""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from functions.contract.call import Call
from runtime.governance.entities import BUDGET, CUSTOMER
from runtime.governance.row_store import Announce, RowStore
from runtime.postgres.database import Database
from schema.budgets import BudgetRecord
from schema.customers import CustomerInfo, CustomerRecord
from schema.tables.budgets import Budget

BY_CALLS = "key:"
"""How `created_by` begins where the bookkeeper made the row. `switchgear_enter_customers` writes it."""
TAKEN_OVER = ("alias", "default_model", "models", "budget_id", "blocked")


class CustomerStore(RowStore[CustomerRecord]):
    def __init__(self, database: Database, announce: Announce) -> None:
        super().__init__(database, CUSTOMER, announce)
        self._budgets = RowStore(database, BUDGET, announce)

    async def add_with(
        self, record: CustomerRecord, limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo:
        """Add a customer. A row that the bookkeeper made, since a call named the customer, is taken over,
        with what was spent. Raises Conflict for a customer that somebody has entered."""
        async with self.changing(call):
            if limits:
                record = msgspec.structs.replace(record, budget_id=await self._budget(limits, call))
            made = await self.locked(record.user_id, call=call)
            if made is None or not (made.created_by or "").startswith(BY_CALLS):
                return await self._shown(await self.add(record, call=call))
            values = {name: getattr(record, name) for name in TAKEN_OVER}
            values["spend"] = record.spend or made.spend
            entered = await self.write(made, values | self.stamps(call, created=True), call=call)
            self.announce(record.user_id)
            return await self._shown(entered)

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo | None:
        """Change a customer. `limits` change the customer's budget. A customer without a budget gets one of
        its own."""
        async with self.changing(call):
            record = await self.locked(id, call=call)
            if record is None:
                return None
            values = dict(changes)
            kept = None if "budget_id" in changes else record.budget_id
            if limits and (kept is None or not await self._budgets.changed_within(kept, limits, call=call)):
                values["budget_id"] = await self._budget(limits, call)
            after = await self._shown(await self.write(record, values, call=call))
            self.announce(id)
        return after

    async def details(self, id: str, *, call: Call) -> CustomerInfo | None:
        async with self.database.transaction():
            record = await self.find(id, call=call)
            return None if record is None else await self._shown(record)

    async def block(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord]:
        """Block these customers, all or none. A customer without a row gets one. Rows are changed in the
        order of their ids, so that no deadlock arises."""
        blocked = {}
        async with self.changing(call):
            for id in sorted(set(ids)):
                await self._enter(id, call)
                record = await self.change(id, {"blocked": True}, call=call)
                assert record is not None, "it was just entered"
                blocked[id] = record
        return [blocked[id] for id in dict.fromkeys(ids)]

    async def unblock(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord] | None:
        found = {record.user_id for record in await self.some(ids, call=call)}
        if found != set(ids):
            return None
        async with self.changing(call):
            freed = [await self.change(id, {"blocked": False}, call=call) for id in sorted(found)]
        return [record for record in freed if record is not None]

    async def _enter(self, id: str, call: Call) -> None:
        record = CustomerRecord(user_id=id)
        values = {name: getattr(record, name) for name in self.codec.columns}
        values |= self.stamps(call, created=True)
        row = self.entity.table(**self.codec.encode(values))  # type: ignore[arg-type]  # names, not columns
        await self.entity.table.insert(row).on_conflict(target=self._id, action="DO NOTHING")

    async def _budget(self, limits: Mapping[str, object], call: Call) -> str:
        made = msgspec.structs.replace(BudgetRecord(budget_id=str(uuid.uuid4())), **limits)
        await self._budgets.add(made, call=call)
        return made.budget_id

    async def _shown(self, record: CustomerRecord) -> CustomerInfo:
        row = None
        if record.budget_id is not None:
            row = await Budget.select().where(Budget.budget_id == record.budget_id).first()
        budget = None if row is None else self._budgets.codec.decode(row)
        return CustomerInfo(**msgspec.structs.asdict(record), litellm_budget_table=budget)
