"""Customers in Postgres, with their budgets. Implements `functions.ports.governance.Customers`."""

from collections.abc import Mapping, Sequence

import msgspec

from functions.contract.call import Call
from runtime.governance.budgeted_store import BudgetedStore
from runtime.governance.entities import CUSTOMER
from runtime.governance.row_store import Announce
from runtime.postgres.database import Database
from schema.budgets import BudgetRecord
from schema.customers import CustomerInfo, CustomerRecord

BY_CALLS = "key:"
"""How `created_by` begins where the bookkeeper made the row. `switchgear_enter_customers` writes it."""
TAKEN_OVER = ("alias", "default_model", "models", "budget_id", "blocked")


class CustomerStore(BudgetedStore[CustomerRecord, CustomerInfo]):
    def __init__(self, database: Database, announce: Announce) -> None:
        super().__init__(database, CUSTOMER, announce)

    async def add_with(
        self, record: CustomerRecord, limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo:
        """Add a customer. A row that the bookkeeper made, since a call named the customer, is taken over,
        with what was spent. Raises Conflict for a customer that somebody has entered."""
        async with self.changing(call):
            record = await self.with_budget(record, limits, call)
            made = await self.locked(record.user_id, call=call)
            if made is None or not (made.created_by or "").startswith(BY_CALLS):
                return await self.shown(await self.add(record, call=call))
            values = {name: getattr(record, name) for name in TAKEN_OVER}
            values["spend"] = record.spend or made.spend
            entered = await self.write(made, values | self.stamps(call, created=True), call=call)
            self.announce(record.user_id)
            return await self.shown(entered)

    async def details(self, id: str, *, call: Call) -> CustomerInfo | None:
        async with self.database.transaction():
            record = await self.find(id, call=call)
            return None if record is None else await self.shown(record)

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

    def info(self, record: CustomerRecord, budget: BudgetRecord | None) -> CustomerInfo:
        return CustomerInfo(**msgspec.structs.asdict(record), litellm_budget_table=budget)
