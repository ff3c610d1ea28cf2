"""Turns the members that a request names into users. A user that does not exist is made, in the transaction
under way."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Protocol

from piccolo.columns import Text
from piccolo.columns.combination import Where
from piccolo.query.functions import Lower

from functions.contract.call import Call
from functions.contract.roles import INTERNAL_USER, INTERNAL_USER_VIEWER
from runtime.governance.addresses import ADDRESS_LOCK, free_address
from runtime.governance.newcomers import Newcomers
from runtime.postgres.database import Database
from runtime.postgres.turns import take_turn
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.tables.users import User

MODEST_ROLES = (None, INTERNAL_USER, INTERNAL_USER_VIEWER)
"""The roles of the users that somebody who is no proxy_admin may bring into a team or an organization."""


class NamedMember(Protocol):
    """A member as a request names it: by id, or by e-mail address."""

    @property
    def user_id(self) -> str | None: ...

    @property
    def user_email(self) -> str | None: ...


def is_user(column: Text, member: NamedMember) -> Where:
    """The condition that a column has the id of the user whom a member names. Raises InvalidRequest for a
    member without id and address."""
    if member.user_id:
        return column == member.user_id
    if not member.user_email:
        raise InvalidRequest("user_id: name the member by user_id or user_email.", param="user_id")
    at_address = User.select(User.user_id).where(Lower(User.user_email) == member.user_email.lower())
    return column.is_in(at_address)


async def users_of(
    members: Sequence[NamedMember], database: Database, newcomers: Newcomers, call: Call
) -> list[str]:
    """The user ids of these members, in the same order. The users' rows are locked, and a user that does not
    exist is made. Raises InvalidRequest for a member without id and address and for an address that several
    users have, or NotAllowed for a user that only a proxy_admin may bring in."""
    by_address: dict[str, str] = {}
    for address in sorted({_address(member) for member in members if not member.user_id}):
        by_address[address] = await _user_at(address, database, newcomers, call)
    addresses = {member.user_id: member.user_email for member in members if member.user_id}
    for user_id in sorted(addresses):  # in the order of ids, so that no deadlock arises
        email = await free_address(database, addresses[user_id], user_id=user_id)
        await newcomers.ensure(user_id, call, email=email)
    found = [member.user_id or by_address[_address(member)] for member in members]
    if found:
        rows = User.select(User.user_id, User.user_role).where(User.user_id.is_in(found))
        _check_modest(await rows.order_by(User.user_id).lock_rows("UPDATE"), call)
    return found


def _address(member: NamedMember) -> str:
    if not member.user_email:
        raise InvalidRequest("member: name a user_id or a user_email.", param="member")
    return member.user_email


async def _user_at(address: str, database: Database, newcomers: Newcomers, call: Call) -> str:
    """The id of the user with this address; a user that does not exist is made. One transaction at a time
    looks an address up, so that a new address does not become two users."""
    await take_turn(database, ADDRESS_LOCK, address)
    found = await User.select(User.user_id).where(Lower(User.user_email) == address.lower()).limit(2)
    if len(found) > 1:
        raise InvalidRequest("member: several users have that e-mail address.", param="member")
    if found:
        return str(found[0]["user_id"])
    user_id = str(uuid.uuid4())
    await newcomers.ensure(user_id, call, email=address)
    return user_id


def _check_modest(rows: Sequence[Mapping[str, str | None]], call: Call) -> None:
    """Raise NotAllowed where a caller who is no proxy_admin brings in another user with a higher role. The
    admin of a team or an organization may act there in its members' names."""
    if call.scope.everything:
        return
    for row in rows:
        if row["user_role"] not in MODEST_ROLES and row["user_id"] != call.caller.user_id:
            raise NotAllowed(
                f"member: {row['user_id']!r} is more than a team member; a proxy_admin can bring it in.",
                param="member",
            )
