"""Writes sign-ins, their failures and logouts into the audit log."""

from collections.abc import Mapping

import asyncpg

from functions.contract.call import Call
from functions.contract.visit import Visit
from runtime.governance.audit_note import AuditNote, note_of, write_note

TABLE = "Switchgear_Session"
"""What the audit log has as the table of these entries."""


class Trail:
    """Writes entries in the transaction of what they tell of. `facts` have no secret."""

    async def note(
        self,
        connection: asyncpg.Connection,
        action: str,
        user_id: str,
        visit: Visit,
        facts: Mapping[str, str],
    ) -> None:
        """Write an entry of what a person does that is about to come in or to leave. `action` is `signed_in`,
        `sign_in_failed` or `signed_out`."""
        note = AuditNote(
            action=action,
            table=TABLE,
            object_id=user_id,
            facts=facts,
            by=user_id,
            address=visit.address,
            request_id=visit.request_id,
        )
        await write_note(connection, note)

    async def note_by(
        self, connection: asyncpg.Connection, action: str, user_id: str, call: Call, facts: Mapping[str, str]
    ) -> None:
        """Write an entry of what a caller does to somebody: `session_revoked`."""
        note = note_of(call, action, table=TABLE, object_id=user_id, facts=facts)
        await write_note(connection, note)
