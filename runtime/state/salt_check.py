"""Whether the salt key opens what the database holds. A value that is kept for this alone says so: the first
start with a salt key makes it."""

import asyncpg

from runtime.postgres.errors import reaching
from runtime.state.sealing import CantOpen, Sealer
from schema.secret import Secret

KIND, OWNER, ID = "salt", "", "check"
VALUE = b"switchgear"
CONNECT_TIMEOUT_S = 10.0
_MAKE = """
    INSERT INTO "Switchgear_State" (state_id, kind, owner, salt_id, sealed, created_at)
    VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT (owner, kind, state_id) DO NOTHING
"""
_LOOK = """
    SELECT salt_id, sealed FROM "Switchgear_State" WHERE state_id = $1 AND kind = $2 AND owner = $3
"""


class OtherSaltKey(Exception):
    """The database holds values of another salt key."""


async def check_salt(dsn: str, salt_key: Secret) -> None:
    """Raise OtherSaltKey where the salt key can't open what the database holds, or DatabaseUnavailable."""
    sealer = Sealer(salt_key)
    sealed = sealer.seal(VALUE, kind=KIND, owner=OWNER, id=ID)
    with reaching():
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            await connection.execute(_MAKE, ID, KIND, OWNER, sealer.id, sealed)
            row = await connection.fetchrow(_LOOK, ID, KIND, OWNER)
        finally:
            await connection.close()
    try:
        sealer.open(row["sealed"], kind=KIND, owner=OWNER, id=ID)
    except CantOpen:
        raise OtherSaltKey(
            f"the salt key {sealer.id} can't open what the database holds, which was sealed with the salt "
            f"key {row['salt_id']}: set SWITCHGEAR_SALT_KEY to that key. Where it is lost, what was stored "
            'is lost too: DELETE FROM "Switchgear_State", and start again. Models and credentials that were '
            "stored stay as they are, and can't be called until their values are sent again"
        ) from None
