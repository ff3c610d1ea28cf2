"""Reads stored prompts and answers. Implements `functions.ports.spend.Bodies`."""

from functions.contract.roles import Scope
from runtime.governance.tenancy import spend_reach
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.bodies import KeptBody

_FIND = """
    SELECT b.request, b.response, b.request_truncated, b.response_truncated
    FROM "Switchgear_Bodies" b
    WHERE b.request_id = $1 AND EXISTS (
        SELECT 1 FROM "LiteLLM_SpendLogs" o
        WHERE o.request_id = $1
          AND ($2 OR o."user" = $3 OR o.api_key = $4 OR o.team_id = ANY ($5) OR o.organization_id = ANY ($6))
    )
    LIMIT 1
"""


class BodyReader:
    """Reads bodies within a scope. Every method raises DatabaseUnavailable, or InvalidRequest for an id that
    no column can hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, request_id: str, *, scope: Scope) -> KeptBody | None:
        """Find the body of a call whose row in the ledger is within the scope. A body without a row is
        shown to nobody."""
        with asking():
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_FIND, request_id, *spend_reach(scope))
        return None if row is None else KeptBody(**dict(row))
