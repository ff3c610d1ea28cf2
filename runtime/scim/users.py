"""Users of the directory: rows of the users' table, each with the resource as the directory told it."""

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.contract.roles import ASSIGNABLE, INTERNAL_USER
from functions.rules.sign_in_rules import settled_role
from functions.rules.user_policy import newcomer
from runtime.governance.addresses import free_address
from runtime.governance.user_store import UserStore
from runtime.scim.filters import Equality
from runtime.scim.models import ResourceJson
from schema.errors.rows import Conflict, NotFound
from schema.users import UserRecord

BY_SCIM = "scim"
NAME_LOCK = 0x5343  # "SC", the first half of an advisory lock's number
MAX_NAME_CHARS = 256
UNSAID = "active_unsaid"
"""The directory has taken `active` away. The user may come in, and the attribute is not shown."""
OWN = ("id", "meta", "groups", "active", "schemas", "password")
"""What of a resource is not kept as the directory told it: it stands in columns, or nowhere."""
_COLUMNS = """
    u.user_id AS id, u.user_email, u.user_alias, u.external_id, u.deactivated, u.directory::text AS directory,
    u.created_at, u.updated_at,
    (SELECT jsonb_agg(jsonb_build_object('value', t.team_id, 'display', t.team_alias) ORDER BY t.team_id)
     FROM "LiteLLM_TeamMembership" m JOIN "LiteLLM_TeamTable" t USING (team_id)
     WHERE m.user_id = u.user_id)::text AS groups
"""
GONE = "gone"
"""Marks the row of a blocked user that the directory has deleted: the directory sees it no more."""
_SEEN = f"NOT (u.directory ? '{GONE}')"
_FROM = f'SELECT {_COLUMNS} FROM "LiteLLM_UserTable" u WHERE {_SEEN}'
_TOLD = "u.directory <> '{}'"
_NAMED = f"""
    {_SEEN} AND (lower(u.directory->>'userName') = lower($1)
     OR (NOT ({_TOLD}) AND (lower(u.user_email) = lower($1) OR u.user_id = $1)))
"""
_BEFORE = f"""
    SELECT u.user_id FROM "LiteLLM_UserTable" u WHERE u.directory ? '{GONE}'
      AND (u.external_id = $1 OR lower(u.directory->>'userName') = lower($2)) LIMIT 1 FOR UPDATE
"""
_EMAIL = """
    (lower(u.user_email) = lower($1) OR lower(u.directory->>'emails') LIKE '%' || lower($1) || '%')
"""
_WHERE: Mapping[str, str] = MappingProxyType(
    {
        "id": "u.user_id = $1",
        "username": _NAMED,
        "externalid": "u.external_id = $1",
        "displayname": "lower(coalesce(u.directory->>'displayName', u.user_alias)) = lower($1)",
        "emails": _EMAIL,
    }
)
_SAME_NAME = """
    SELECT 1 FROM "LiteLLM_UserTable" WHERE user_id = $1 AND lower(directory->>'userName') = lower($2)
"""
_DIRECTORY = f'SELECT u.directory::text FROM "LiteLLM_UserTable" u WHERE {_SEEN} AND u.user_id = $1'
_TELL = 'UPDATE "LiteLLM_UserTable" SET directory = $2 WHERE user_id = $1'


class DirectoryUsers:
    """Every method raises DatabaseUnavailable. Changes are made in the transaction that `store.changing`
    begins."""

    noun = "user"

    def __init__(self, store: UserStore, policy: Policy) -> None:
        self.store = store
        self._policy = policy

    async def rows(
        self, connection: asyncpg.Connection, equality: Equality | None, *, limit: int, offset: int = 0
    ) -> Sequence[ResourceJson]:
        """Resources, by id: all, or those that an equality can fit."""
        where, values = _condition(equality)
        sql = f"{_FROM}{where} ORDER BY u.user_id LIMIT {int(limit)} OFFSET {int(offset)}"
        return [_resource(row) for row in await connection.fetch(sql, *values)]

    async def count(self, connection: asyncpg.Connection) -> int:
        return int(await connection.fetchval(f'SELECT count(*) FROM "LiteLLM_UserTable" u WHERE {_SEEN}'))

    async def locked(self, connection: asyncpg.Connection, id: str) -> ResourceJson:
        """One resource, locked. Raises NotFound."""
        row = await connection.fetchrow(f"{_FROM} AND u.user_id = $1 FOR UPDATE OF u", id)
        if row is None:
            raise NotFound(f"There is no user {id[:100]!r}.")
        return _resource(row)

    async def add(self, connection: asyncpg.Connection, told: ResourceJson, call: Call) -> str:
        """Make a user. One who was blocked when the directory deleted it is still blocked. Raises Conflict
        where somebody has the name."""
        before = await connection.fetchval(_BEFORE, told.get("externalId"), str(told.get("userName") or ""))
        if before is not None:
            await self.write(connection, before, told, call)
            return str(before)
        await self._check_name(connection, told, "")
        user_id = str(uuid.uuid4())
        record = newcomer(user_id, self._policy, call.received_at)
        role = _role(told)
        record = msgspec.structs.replace(
            record,
            **await self._columns(connection, told, user_id),
            user_role=role or record.user_role,
            role_source=BY_SCIM if role else "default",
        )
        await self.store.add(record, call=call)
        await connection.execute(_TELL, user_id, _kept(told))
        return user_id

    async def write(self, connection: asyncpg.Connection, id: str, told: ResourceJson, call: Call) -> None:
        """Bring a locked user's row in line with the resource."""
        await self._check_name(connection, told, id)
        record = await self.store.locked(id, call=call)
        if record is None:
            raise NotFound(f"There is no user {id[:100]!r}.")
        columns = await self._columns(connection, told, id)
        changes = {name: value for name, value in columns.items() if getattr(record, name) != value}
        usual = newcomer(id, self._policy, call.received_at).user_role
        role = settled_role(record.user_role, record.role_source, _role(told), by=BY_SCIM, usual=usual).role
        if role is not None:
            changes["user_role"] = role
        if changes:
            await self._change(connection, record, changes, call)
        await connection.execute(_TELL, id, _kept(told))
        self.store.announce(id)

    async def remove(self, connection: asyncpg.Connection, id: str, call: Call) -> None:
        """Delete a user with its keys and memberships. Of a blocked user a row stays that says so: what an
        admin has blocked, the directory does not let in by making it again."""
        directory = await connection.fetchval(_DIRECTORY, id)
        gone = None if directory is None else await self.store.remove([id], call=call)
        if not gone:
            raise NotFound(f"There is no user {id[:100]!r}.")
        if gone[0].blocked:
            told = {**msgspec.json.decode(directory), GONE: True}
            await self._keep_block(connection, gone[0], told, call)

    async def _keep_block(
        self, connection: asyncpg.Connection, gone: UserRecord, told: ResourceJson, call: Call
    ) -> None:
        kept = ("user_id", "user_email", "user_alias", "sso_user_id", "external_id", "blocked")
        facts = {name: getattr(gone, name) for name in kept}
        record = UserRecord(**facts, user_role=INTERNAL_USER, deactivated=True)
        await self.store.add(record, call=call)
        await connection.execute(_TELL, gone.user_id, msgspec.json.encode(told).decode())

    async def _change(
        self, connection: asyncpg.Connection, record: UserRecord, changes: dict[str, object], call: Call
    ) -> None:
        await connection.execute("SELECT set_config('switchgear.role_source', $1, true)", BY_SCIM)
        await self.store.write(record, changes, call=call)
        await connection.execute("SELECT set_config('switchgear.role_source', '', true)")

    async def _columns(
        self, connection: asyncpg.Connection, told: ResourceJson, user_id: str
    ) -> dict[str, Any]:
        email = _email(told)
        if email is not None:
            email = await free_address(self.store.database, email, user_id=user_id)
        return {
            "user_email": email,
            "user_alias": _alias(told),
            "external_id": told.get("externalId"),
            "deactivated": told.get("active") is False,
        }

    async def _check_name(self, connection: asyncpg.Connection, told: ResourceJson, id: str) -> None:
        """Raise Conflict where another user has the name. A name that stays is nobody else's business."""
        name = str(told.get("userName") or "")
        if id and await connection.fetchval(_SAME_NAME, id, name):
            return
        await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext(lower($2)))", NAME_LOCK, name)
        sql = f'SELECT 1 FROM "LiteLLM_UserTable" u WHERE {_NAMED} AND u.user_id <> $2 LIMIT 1'
        if await connection.fetchval(sql, name, id):
            raise Conflict(f"userName: another user has {name[:100]!r}.", code="uniqueness")


def _condition(equality: Equality | None) -> tuple[str, list[str]]:
    if equality is None or equality.attribute not in _WHERE:
        return "", []
    return f" AND {_WHERE[equality.attribute]}", [equality.value]


def _resource(row: Any) -> ResourceJson:  # asyncpg's records have no types
    """The resource of a row. A user whom no directory told has what the columns say."""
    told: ResourceJson = msgspec.json.decode(row["directory"])
    if not told:
        told = {"userName": row["user_email"] or row["id"]}
        if row["user_alias"]:
            told["displayName"] = row["user_alias"]
        if row["user_email"]:
            told["emails"] = [{"value": row["user_email"], "type": "work", "primary": True}]
        if row["external_id"]:
            told["externalId"] = row["external_id"]
    groups = msgspec.json.decode(row["groups"]) if row["groups"] else []
    told["id"] = row["id"]
    if told.pop(UNSAID, None) is None:
        told["active"] = not row["deactivated"]
    if groups:
        told["groups"] = groups
    told["meta"] = {"resourceType": "User", "created": row["created_at"], "lastModified": row["updated_at"]}
    return told


def _kept(told: ResourceJson) -> str:
    kept = {name: value for name, value in told.items() if name not in OWN}
    return msgspec.json.encode(kept if "active" in told else {**kept, UNSAID: True}).decode()


def _email(told: ResourceJson) -> str | None:
    """The primary address, else the first one; else the name, where it is an address."""
    emails = [each for each in told.get("emails") or [] if isinstance(each, dict) and each.get("value")]
    chosen = next((each for each in emails if each.get("primary")), emails[0] if emails else None)
    found = str(chosen["value"]) if chosen else str(told.get("userName") or "")
    return found if "@" in found and len(found) <= MAX_NAME_CHARS else None


def _alias(told: ResourceJson) -> str | None:
    name = told.get("name") or {}
    parts = " ".join(filter(None, (name.get("givenName"), name.get("familyName"))))
    found = told.get("displayName") or name.get("formatted") or parts
    return str(found)[:MAX_NAME_CHARS] if found else None


def _role(told: ResourceJson) -> str | None:
    """The highest role of the resource's `roles`. Words that are no role here are passed over."""
    words = {str(each.get("value")).lower() for each in told.get("roles") or [] if isinstance(each, dict)}
    return next((role for role in ASSIGNABLE if role in words), None)
