"""Whether somebody is kept out, under whatever identity the person comes.

A block stands in one row. The same person may come from another provider, with a token of another issuer, or
with a new account that has the old address: no row is made or used for anybody who is the person of a barred
row.
"""

from collections.abc import Sequence
from typing import Any

from piccolo.query.functions import Lower

from schema.tables.users import User

BARRED = "This account is blocked. Ask an admin of the gateway."


async def is_barred(
    *, user_id: str, email: str | None, identities: Sequence[str] = (), directory_id: str = ""
) -> bool:
    """Whether another row than `user_id` is barred that has the address, one of the identities, or the
    directory's id. An address counts here though nobody proved it. It is asked in the transaction under
    way."""
    address: Any = Lower(User.user_email) == (email or "").lower()
    same = [address] if email else []
    if identities:
        same.append(User.sso_user_id.is_in(list(identities)))
    if directory_id:
        same.append(User.external_id == directory_id)
    for condition in same:
        barred = User.exists().where(condition, User.user_id != user_id)
        if await barred.where(User.blocked.eq(True) | User.deactivated.eq(True)):
            return True
    return False
