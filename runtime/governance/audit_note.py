"""Writes entries into the audit log of what no trigger sees."""

import uuid
from collections.abc import Mapping

import asyncpg
import msgspec

from functions.contract.call import Call

_NOTE = """
    INSERT INTO "LiteLLM_AuditLog" (id, changed_by, action, table_name, object_id, updated_values,
                                    source_address, request_id, changed_by_api_key, database_user)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, session_user)
"""


class AuditNote(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did. `facts` have no secret."""

    action: str
    """Such as `signed_in`."""
    table: str
    object_id: str
    facts: Mapping[str, object]
    by: str
    """The user, or who else did it."""
    key_hash: str = ""
    address: str | None
    request_id: str


def note_of(call: Call, action: str, *, table: str, object_id: str, facts: Mapping[str, object]) -> AuditNote:
    """What the caller of a call did."""
    return AuditNote(
        action=action,
        table=table,
        object_id=object_id,
        facts=facts,
        by=call.caller.user_id,
        key_hash=call.caller.key_hash,
        address=call.client_ip,
        request_id=call.request_id,
    )


async def write_note(connection: asyncpg.Connection, note: AuditNote) -> None:
    """Write an entry, in the transaction of what it tells of."""
    said = msgspec.json.encode(note.facts).decode()
    row = (note.by, note.action, note.table, note.object_id, said, note.address, note.request_id)
    await connection.execute(_NOTE, str(uuid.uuid4()), *row, note.key_hash)
