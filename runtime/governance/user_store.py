"""Users in Postgres, with their memberships and keys. Implements `functions.ports.governance.Users`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from piccolo.query.functions import Count
from piccolo.query.methods import Select

from functions.contract.call import Call
from functions.contract.roles import INTERNAL_USER, Reach, Scope
from runtime.governance.addresses import free_address
from runtime.governance.entities import USER
from runtime.governance.key_search import escaped
from runtime.governance.key_store import KeyStore
from runtime.governance.newcomers import check_user_id
from runtime.governance.row_store import Announce, RowStore
from runtime.governance.team_store import TeamStore
from runtime.governance.tenancy import Predicate
from runtime.postgres.database import Database
from schema.errors.rows import Conflict, NotFound
from schema.fields import Page
from schema.keys import KeyRecord
from schema.tables import naive
from schema.tables.keys import VerificationToken
from schema.tables.organizations import Organization, OrganizationMembership
from schema.tables.teams import Team, TeamMembership
from schema.tables.users import User
from schema.teams import Member
from schema.users import UserFilterQuery, UserListed, UserListQuery, UserRecord, UserTeam


class UserStore(RowStore[UserRecord]):
    def __init__(self, database: Database, announce: Announce, keys: KeyStore, teams: TeamStore) -> None:
        super().__init__(database, USER, announce)
        self._keys = keys
        self._teams = teams

    async def add_with(
        self,
        record: UserRecord,
        *,
        teams: Sequence[UserTeam],
        organizations: Sequence[str],
        key: KeyRecord | None,
        call: Call,
    ) -> UserRecord:
        """Add a user with its memberships and its first key, all or nothing. Raises Conflict, also for an
        address that somebody has where the caller's scope is not everything, or NotFound for a team or
        organization that does not exist."""
        now = naive(datetime.now(UTC))
        check_user_id(record.user_id, call)
        async with self.changing(call):
            if teams:
                await self._teams.lock(Team.team_id.is_in([each.team_id for each in teams]))
            address = None if call.scope.everything else record.user_email
            if address != await free_address(self.database, address):
                raise Conflict("user_email: another user has it.", param="user_email")
            made = await self.add(record, call=call)
            for each in teams:
                await self._join(record.user_id, each, call)
            for organization_id in organizations:
                if not await Organization.exists().where(Organization.organization_id == organization_id):
                    raise NotFound(f"There is no organization {organization_id!r}.", param="organizations")
                await OrganizationMembership.insert(
                    OrganizationMembership(
                        user_id=record.user_id,
                        organization_id=organization_id,
                        user_role=INTERNAL_USER,
                        created_at=now,
                        updated_at=now,
                    )
                )
            if key is not None:
                await self._keys.add(key, call=call)
        return msgspec.structs.replace(made, teams=[each.team_id for each in teams])

    async def write(self, record: UserRecord, changes: Mapping[str, object], *, call: Call) -> UserRecord:
        """Write changes to a locked row. A trigger writes where a role comes from, so that the row is read
        again where a role was written."""
        after = await super().write(record, changes, call=call)
        if "user_role" not in changes:
            return after
        columns = (User.role_source, User.pending)
        row = await User.select(*columns).where(User.user_id == record.user_id).first()
        return after if row is None else msgspec.structs.replace(after, **row)

    async def _join(self, user_id: str, team: UserTeam, call: Call) -> None:
        """Add a user to any team. The function that called has checked which teams the caller may add to."""
        everything = msgspec.structs.replace(call, scope=Scope(reaches=frozenset({Reach.ALL})))
        joined = await self._teams.add_members(
            team.team_id,
            [Member(role=team.user_role, user_id=user_id)],
            changes={},
            limits=None if team.max_budget_in_team is None else {"max_budget": team.max_budget_in_team},
            call=everything,
        )
        if joined is None:
            raise NotFound(f"There is no team {team.team_id!r}.", param="teams")

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[UserRecord]:
        """Delete users with their keys and memberships. Teams are locked first, then users, as in every
        store."""
        async with self.changing(call):
            mine = TeamMembership.select(TeamMembership.team_id).where(
                TeamMembership.user_id.is_in(list(ids))
            )
            if ids:
                teams = Team.select(Team.team_id).where(Team.team_id.is_in(mine))
                await teams.order_by(Team.team_id).lock_rows("UPDATE")
                users = User.select(User.user_id).where(User.user_id.is_in(list(ids)))
                await users.order_by(User.user_id).lock_rows("UPDATE")
            gone = await super().remove(ids, call=call)
            user_ids = [record.user_id for record in gone]
            if user_ids:
                await self._keys.take_out_all(VerificationToken.user_id.is_in(user_ids), call=call)
                await TeamMembership.delete().where(TeamMembership.user_id.is_in(user_ids))
                await OrganizationMembership.delete().where(OrganizationMembership.user_id.is_in(user_ids))
        return gone

    async def search(self, query: UserListQuery, *, call: Call) -> Page[UserListed]:
        wanted: list[Predicate] = []
        if query.role is not None:
            wanted.append(User.user_role == query.role)
        if query.user_ids:
            wanted.append(User.user_id.is_in(query.user_ids.split(",")))
        if query.sso_user_ids:
            wanted.append(User.sso_user_id.is_in(query.sso_user_ids.split(",")))
        if query.user_email:
            wanted.append(User.user_email.ilike(f"%{escaped(query.user_email)}%"))
        if query.team:
            members = TeamMembership.select(TeamMembership.user_id).where(
                TeamMembership.team_id == query.team
            )
            wanted.append(User.user_id.is_in(members))
        if query.organization_ids:
            wanted.append(User.user_id.is_in(_members_of(query.organization_ids.split(","))))
        order = [(query.sort_by, query.sort_order == "asc")]
        page = await self.listed(wanted, call=call, page=query.page, size=query.page_size, order=order)
        counts = await self._key_counts([record.user_id for record in page.records])
        users = [
            UserListed(**msgspec.structs.asdict(record), key_count=counts.get(record.user_id, 0))
            for record in page.records
        ]
        return Page(records=users, total=page.total)

    async def inside(self, organization_id: str, ids: Sequence[str], *, call: Call) -> list[str]:
        """Those of these users, within the scope, that are in the organization."""
        members = _members_of([organization_id])
        wanted: list[Predicate] = [User.user_id.is_in(list(ids)), User.user_id.is_in(members)]
        page = await self.listed(wanted, call=call, page=1, size=len(ids))
        return [record.user_id for record in page.records]

    async def filtered(self, query: UserFilterQuery, *, call: Call) -> Page[UserRecord]:
        wanted: list[Predicate] = [
            column.ilike(f"%{escaped(part)}%")
            for column, part in ((User.user_id, query.user_id), (User.user_email, query.user_email))
            if part
        ]
        order = [("user_id", True)]
        return await self.listed(wanted, call=call, page=query.page, size=query.page_size, order=order)

    async def _key_counts(self, user_ids: Sequence[str]) -> dict[str, int]:
        if not user_ids:
            return {}
        column = VerificationToken.user_id
        async with self.database.transaction():
            rows = await (
                VerificationToken.select(column, Count(alias="keys"))
                .where(column.is_in(list(user_ids)))
                .group_by(column)
            )
        return {row["user_id"]: row["keys"] for row in rows}


def _members_of(organization_ids: Sequence[str]) -> Select[OrganizationMembership]:
    """The query for the users of organizations."""
    members = OrganizationMembership.select(OrganizationMembership.user_id)
    return members.where(OrganizationMembership.organization_id.is_in(list(organization_ids)))
