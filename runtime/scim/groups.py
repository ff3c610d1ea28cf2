"""Groups of the directory: rows of the teams' table, with their memberships."""

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.rules.team_policy import team_of_group
from runtime.governance.team_store import TeamStore
from runtime.scim.filters import Equality
from runtime.scim.models import ResourceJson
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.teams import Member

BY_SCIM = "scim"
MAX_MEMBERS = 20_000
DISPLAYS = "member_displays"
"""What the directory calls members, by user id."""
OWN = ("id", "meta", "members", "schemas")
_COLUMNS = """
    t.team_id AS id, t.team_alias, t.external_id, t.directory::text AS directory, t.created_at, t.updated_at,
    (SELECT jsonb_agg(jsonb_build_object('value', m.user_id, 'type', 'User') ORDER BY m.user_id)
     FROM "LiteLLM_TeamMembership" m WHERE m.team_id = t.team_id)::text AS members
"""
_FROM = f'SELECT {_COLUMNS} FROM "LiteLLM_TeamTable" t'
_WHERE: Mapping[str, str] = MappingProxyType(
    {
        "id": "t.team_id = $1",
        "externalid": "t.external_id = $1",
        "displayname": "lower(coalesce(t.team_alias, t.team_id)) = lower($1)",
    }
)
_TELL = 'UPDATE "LiteLLM_TeamTable" SET directory = $2 WHERE team_id = $1'


class DirectoryGroups:
    """Every method raises DatabaseUnavailable. Changes are made in the transaction that `store.changing`
    begins."""

    noun = "group"

    def __init__(self, store: TeamStore, policy: Policy) -> None:
        self.store = store
        self._policy = policy

    async def rows(
        self, connection: asyncpg.Connection, equality: Equality | None, *, limit: int, offset: int = 0
    ) -> Sequence[ResourceJson]:
        """Resources, by id: all, or those that an equality can fit."""
        where, values = "", list[str]()
        if equality is not None and equality.attribute in _WHERE:
            where, values = f" WHERE {_WHERE[equality.attribute]}", [equality.value]
        sql = f"{_FROM}{where} ORDER BY t.team_id LIMIT {int(limit)} OFFSET {int(offset)}"
        return [_resource(row) for row in await connection.fetch(sql, *values)]

    async def count(self, connection: asyncpg.Connection) -> int:
        return int(await connection.fetchval('SELECT count(*) FROM "LiteLLM_TeamTable"'))

    async def locked(self, connection: asyncpg.Connection, id: str) -> ResourceJson:
        """One resource, locked. Raises NotFound."""
        row = await connection.fetchrow(f"{_FROM} WHERE t.team_id = $1 FOR UPDATE OF t", id)
        if row is None:
            raise NotFound(f"There is no group {id[:100]!r}.")
        return _resource(row)

    async def add(self, connection: asyncpg.Connection, told: ResourceJson, call: Call) -> str:
        """Make a team with its members."""
        team_id = str(uuid.uuid4())
        record, limits = team_of_group(
            team_id,
            name=told.get("displayName"),
            external_id=told.get("externalId"),
            policy=self._policy,
            now=call.received_at,
        )
        await self.store.add_with(record, members=(), member_limits=limits, call=call)
        await self._bring_members(connection, team_id, told, call)
        await connection.execute(_TELL, team_id, _kept(told))
        return team_id

    async def write(self, connection: asyncpg.Connection, id: str, told: ResourceJson, call: Call) -> None:
        """Bring a locked team's row and members in line with the resource."""
        record = await self.store.locked(id, call=call)
        if record is None:
            raise NotFound(f"There is no group {id[:100]!r}.")
        columns = {"team_alias": told.get("displayName"), "external_id": told.get("externalId")}
        changes = {name: value for name, value in columns.items() if getattr(record, name) != value}
        if changes:
            await self.store.write(record, changes, call=call)
        await self._bring_members(connection, id, told, call)
        await connection.execute(_TELL, id, _kept(told))
        self.store.announce(id)

    async def remove(self, connection: asyncpg.Connection, id: str, call: Call) -> None:
        """Delete a team that the directory made. Another team stays, without the members that came from the
        directory."""
        made_here = await connection.fetchval(
            'SELECT created_by IS DISTINCT FROM $2 FROM "LiteLLM_TeamTable" WHERE team_id = $1',
            id,
            call.caller.user_id,
        )
        if made_here is None:
            raise NotFound(f"There is no group {id[:100]!r}.")
        if not made_here:
            await self.store.remove([id], call=call)
            return
        rows = await connection.fetch(
            'SELECT user_id FROM "LiteLLM_TeamMembership" WHERE team_id = $1 AND source = $2', id, BY_SCIM
        )
        for row in rows:
            await self.store.remove_member(id, Member(user_id=row["user_id"]), call=call)
        await connection.execute(_TELL, id, "{}")

    async def _bring_members(
        self, connection: asyncpg.Connection, team_id: str, told: ResourceJson, call: Call
    ) -> None:
        wanted = {
            str(each["value"])
            for each in told.get("members") or []
            if isinstance(each, dict) and each.get("value")
        }
        if len(wanted) > MAX_MEMBERS:
            raise InvalidRequest(f"members: at most {MAX_MEMBERS}.", code="tooMany")
        rows = await connection.fetch(
            'SELECT user_id FROM "LiteLLM_TeamMembership" WHERE team_id = $1', team_id
        )
        inside = {row["user_id"] for row in rows}
        new = sorted(wanted - inside)
        known = await connection.fetch(
            'SELECT user_id FROM "LiteLLM_UserTable" WHERE user_id = ANY ($1)', new
        )
        if unknown := sorted(set(new) - {row["user_id"] for row in known}):
            raise InvalidRequest(f"members: there is no user {unknown[0][:100]!r}.", code="invalidValue")
        if new:
            members = [Member(user_id=user_id) for user_id in new]
            await self.store.add_members(
                team_id, members, changes={"source": BY_SCIM}, limits=None, call=call
            )
        for user_id in sorted(inside - wanted):
            await self.store.remove_member(team_id, Member(user_id=user_id), call=call)


def _resource(row: Any) -> ResourceJson:  # asyncpg's records have no types
    told: ResourceJson = msgspec.json.decode(row["directory"])
    told |= {"id": row["id"], "displayName": row["team_alias"] or row["id"]}
    if row["external_id"]:
        told["externalId"] = row["external_id"]
    displays = told.pop(DISPLAYS, {})
    if row["members"]:
        members = msgspec.json.decode(row["members"])
        told["members"] = [
            {**each, "display": displays[each["value"]]} if each["value"] in displays else each
            for each in members
        ]
    told["meta"] = {"resourceType": "Group", "created": row["created_at"], "lastModified": row["updated_at"]}
    return told


def _kept(told: ResourceJson) -> str:
    kept = {name: value for name, value in told.items() if name not in OWN}
    displays = {
        str(each["value"]): each["display"]
        for each in told.get("members") or []
        if isinstance(each, dict) and each.get("display") and each.get("value")
    }
    return msgspec.json.encode({**kept, DISPLAYS: displays} if displays else kept).decode()
