"""Passwords of users, as argon2id hashes. Checking takes as long for a stranger as for a user."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MIN_CHARS = 12
MAX_CHARS = 1024
AT_ONCE = 2
"""How many passwords a worker hashes at once: each takes 64 MiB and a core."""
MAX_WAITING = 32
LOWEST = 4
"""The fewest different characters that a password has."""
_FIND = """
    SELECT u.user_id, p.hash FROM "LiteLLM_UserTable" u JOIN "Switchgear_Password" p USING (user_id)
    WHERE (lower(u.user_email) = lower($1) OR u.user_id = $1) AND NOT EXISTS (
        SELECT 1 FROM "LiteLLM_UserTable" b WHERE (b.blocked OR b.deactivated)
          AND (b.user_id = u.user_id OR lower(b.user_email) = lower(u.user_email))) LIMIT 2
"""
_OF_USER = 'SELECT hash FROM "Switchgear_Password" WHERE user_id = $1'
_SET = """
    INSERT INTO "Switchgear_Password" (user_id, hash, changed_at) VALUES ($1, $2, now())
    ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
"""
_REHASH = 'UPDATE "Switchgear_Password" SET hash = $3 WHERE user_id = $1 AND hash = $2'
_REMOVE = 'DELETE FROM "Switchgear_Password" WHERE user_id = $1 RETURNING user_id'


def check_password(password: str, *names: str | None) -> None:
    """Raise InvalidRequest for a password that is too easy to guess. Length counts; there is no rule about
    kinds of characters."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise InvalidRequest(
            f"password: expected {MIN_CHARS} to {MAX_CHARS} characters; several words make a good one.",
            param="password",
        )
    if len(set(password)) < LOWEST or any(name and name.lower() in password.lower() for name in names):
        raise InvalidRequest(
            "password: it is too easy to guess: it has few different characters, or your own name in it.",
            param="password",
        )


class PasswordStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def user_of(self, name: str, password: str) -> str | None:
        """The id of the user with this address or id, where the password is right. None otherwise, whatever
        is wrong, and after the same time."""
        with asking():
            async with self._database.connection() as connection:
                rows = await connection.fetch(_FIND, name)
        known = rows[0]["hash"] if len(rows) == 1 else None
        right = await self._in_turn(_is_right, known or _nobodys_hash(), password)
        if known is None or not right:
            return None
        await self._rehash(rows[0]["user_id"], known, password)
        return str(rows[0]["user_id"])

    async def is_right(self, user_id: str, password: str) -> bool:
        """Whether a user has this password."""
        with asking():
            async with self._database.connection() as connection:
                known = await connection.fetchval(_OF_USER, user_id)
        right = await self._in_turn(_is_right, known or _nobodys_hash(), password)
        return known is not None and right

    async def hashed(self, password: str) -> str:
        """The hash of a new password."""
        return await self._in_turn(_hashed, "", password)

    async def set(self, user_id: str, password: str) -> None:
        """Give a user a password, in place of the one before."""
        hashed = await self.hashed(password)
        with asking():
            async with self._database.connection() as connection:
                await connection.execute(_SET, user_id, hashed)

    async def remove(self, user_id: str) -> bool:
        """Take a user's password away. False where there was none."""
        with asking():
            async with self._database.connection() as connection:
                return await connection.fetchval(_REMOVE, user_id) is not None

    async def _rehash(self, user_id: str, known: str, password: str) -> None:
        """Hash again where the library's parameters have changed."""
        if not _hasher().check_needs_rehash(known):
            return
        again = await self.hashed(password)
        with asking():
            async with self._database.connection() as connection:
                await connection.execute(_REHASH, user_id, known, again)

    async def _in_turn(self, do: Callable[[str, str], T], hashed: str, password: str) -> T:
        if self._waiting >= MAX_WAITING:
            raise Overloaded("Too many passwords are being checked; try again.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(do, hashed, password)
        finally:
            self._waiting -= 1


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # it is imported where somebody has a password

    return PasswordHasher()


def _hashed(_before: str, password: str) -> str:
    return str(_hasher().hash(password))


@cache
def _nobodys_hash() -> str:
    """What the password of nobody is compared with."""
    return _hashed("", "the password of nobody")


def _is_right(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(_hasher().verify(hashed, password))
    except (VerificationError, InvalidHashError):
        return False
