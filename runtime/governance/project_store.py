"""Projects in Postgres, with their budgets. Implements `functions.ports.governance.Projects`."""

from collections.abc import Sequence

import msgspec

from functions.contract.call import Call
from runtime.governance.budgeted_store import BudgetedStore
from runtime.governance.entities import PROJECT
from runtime.governance.row_store import Announce
from runtime.postgres.database import Database
from schema.budgets import BudgetRecord
from schema.projects import ProjectInfo, ProjectRecord


class ProjectStore(BudgetedStore[ProjectRecord, ProjectInfo]):
    def __init__(self, database: Database, announce: Announce) -> None:
        super().__init__(database, PROJECT, announce)

    async def details(self, ids: Sequence[str], *, call: Call) -> list[ProjectInfo]:
        return await self.shown_rows(ids, call=call)

    def info(self, record: ProjectRecord, budget: BudgetRecord | None) -> ProjectInfo:
        return ProjectInfo(**msgspec.structs.asdict(record), litellm_budget_table=budget)
