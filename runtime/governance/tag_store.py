"""Tags in Postgres, with their budgets. Implements `functions.ports.governance.Tags`."""

from collections.abc import Sequence

from functions.contract.call import Call
from runtime.governance.budgeted_store import BudgetedStore
from runtime.governance.entities import TAG
from runtime.governance.row_store import Announce
from runtime.postgres.database import Database
from schema.budgets import BudgetRecord
from schema.tags import TagInfo, TagRecord


class TagStore(BudgetedStore[TagRecord, TagInfo]):
    def __init__(self, database: Database, announce: Announce) -> None:
        super().__init__(database, TAG, announce)

    async def details(self, names: Sequence[str], *, call: Call) -> list[TagInfo]:
        return await self.shown_rows(names, call=call)

    def info(self, record: TagRecord, budget: BudgetRecord | None) -> TagInfo:
        return TagInfo(
            name=record.tag_name,
            description=record.description,
            spend=record.spend,
            budget_id=record.budget_id,
            litellm_budget_table=budget,
            created_at=None if record.created_at is None else record.created_at.isoformat(),
            created_by=record.created_by,
            updated_at=None if record.updated_at is None else record.updated_at.isoformat(),
        )
