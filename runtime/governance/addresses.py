"""E-mail addresses of users. What is done by address, such as signing in or a statement of SQL, must reach
one person alone, so that nobody gets an address that somebody has."""

from typing import Any

from piccolo.query.functions import Lower

from runtime.postgres.database import Database
from runtime.postgres.turns import take_turn
from schema.tables.users import User

ADDRESS_LOCK = 0x4144  # "AD", the first half of an advisory lock's number; the second is the address's hash


async def free_address(database: Database, address: str | None, *, user_id: str = "") -> str | None:
    """The address, where no other user than `user_id` has it. Nobody else gets it until the transaction under
    way ends. None where somebody has it, or there is none."""
    if not address:
        return None
    await take_turn(database, ADDRESS_LOCK, address)
    return None if await is_taken(address, user_id=user_id) else address


async def is_taken(address: str, *, user_id: str = "") -> bool:
    """Whether another user has an address, in any case of letters."""
    same: Any = Lower(User.user_email) == address.lower()  # Piccolo's types know no functions here
    return bool(await User.exists().where(same, User.user_id != user_id))
