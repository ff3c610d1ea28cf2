"""Organizations in Postgres, with their members and budgets.

Implements `functions.ports.governance.Organizations`.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from piccolo.columns.combination import And

from functions.contract.call import Call
from runtime.governance.entities import BUDGET, ORGANIZATION
from runtime.governance.invited import is_user, users_of
from runtime.governance.key_store import KeyStore
from runtime.governance.row_store import Announce, RowStore
from runtime.governance.team_store import MAX_SHOWN, TeamStore
from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.errors.requests import InvalidRequest
from schema.organizations import (
    OrganizationInfo,
    OrganizationMember,
    OrganizationMembershipRecord,
    OrganizationRecord,
)
from schema.tables.keys import VerificationToken
from schema.tables.organizations import OrganizationMembership
from schema.tables.teams import Team

Membership = OrganizationMembership


class OrganizationStore(RowStore[OrganizationRecord]):
    def __init__(self, database: Database, announce: Announce, keys: KeyStore, teams: TeamStore) -> None:
        super().__init__(database, ORGANIZATION, announce)
        self._keys = keys
        self._teams = teams
        self._budgets = RowStore(database, BUDGET, announce)
        self._members = RowCodec(Membership, OrganizationMembershipRecord)

    async def add_with(
        self, record: OrganizationRecord, limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord:
        async with self.changing(call):
            if not record.budget_id:
                budget = msgspec.structs.replace(BudgetRecord(budget_id=str(uuid.uuid4())), **limits)
                await self._budgets.add(budget, call=call)
                record = msgspec.structs.replace(record, budget_id=budget.budget_id)
            return await self.add(record, call=call)

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord | None:
        async with self.changing(call):
            record = await self.locked(id, call=call)
            if record is None:
                return None
            after = await self.write(record, changes, call=call)
            if limits:
                await self._budgets.changed_within(after.budget_id, limits, call=call)
            self.announce(id)
        return after

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[OrganizationRecord]:
        """Delete organizations with their teams, keys and memberships. A record of each team and key is
        kept."""
        async with self.changing(call):
            gone = await super().remove(ids, call=call)
            names = [record.organization_id for record in gone]
            if names:
                await self._teams.lock(Team.organization_id.is_in(names))
                teams = await self._teams.take_out(Team.organization_id.is_in(names), call=call)
                team_ids = [team.team_id for team in teams]
                await self._teams.empty(team_ids, call)
                for team_id in team_ids:
                    self._teams.announce(team_id)
                await self._keys.take_out_all(VerificationToken.organization_id.is_in(names), call=call)
                members = (
                    await Membership.delete()
                    .where(Membership.organization_id.is_in(names))
                    .returning(Membership.user_id)
                )
                for member in members:
                    self._member_changed(member["user_id"])
        return gone

    async def details(self, id: str, *, call: Call) -> OrganizationInfo | None:
        record = await self.find(id, call=call)
        if record is None:
            return None
        async with self.database.transaction():
            rows = (
                await Membership.select()
                .where(Membership.organization_id == id)
                .order_by(Membership.created_at, Membership.user_id)
                .limit(MAX_SHOWN)
            )
            budget = await (
                self._budgets.entity.table.select(*self._budgets.codec.columns.values())
                .where(self._budgets.codec.columns["budget_id"] == record.budget_id)
                .first()
            )
            teams = await (
                Team.select(*self._teams.codec.columns.values())
                .where(Team.organization_id == id)
                .order_by(Team.created_at, Team.team_id)
                .limit(MAX_SHOWN)
            )
        return OrganizationInfo(
            **msgspec.structs.asdict(record),
            litellm_budget_table=None if budget is None else self._budgets.codec.decode(budget),
            members=[self._members.decode(row) for row in rows],
            teams=[self._teams.codec.decode(row) for row in teams],
        )

    async def add_members(
        self, id: str, members: Sequence[OrganizationMember], *, call: Call
    ) -> list[OrganizationMembershipRecord] | None:
        added = []
        async with self.changing(call):
            if await self.locked(id, call=call) is None:
                return None
            user_ids = await users_of(members, self.database, self._keys.newcomers, call)
            for user_id, member in zip(user_ids, members, strict=True):
                now = datetime.now(UTC)
                record = OrganizationMembershipRecord(
                    user_id=user_id, organization_id=id, user_role=member.role, created_at=now, updated_at=now
                )
                if await Membership.exists().where(_here(record)):
                    raise InvalidRequest(
                        f"member: {user_id!r} is in this organization already.", param="member"
                    )
                values = {name: getattr(record, name) for name in record.__struct_fields__}
                await Membership.insert(Membership(**self._members.encode(values)))  # type: ignore[arg-type]
                self._member_changed(user_id)
                added.append(record)
        return added

    async def change_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        async with self.changing(call):
            record = await self._member(id, member, call=call)
            if record is None:
                return None
            after = msgspec.structs.replace(record, user_role=member.role, updated_at=datetime.now(UTC))
            changes = {"user_role": after.user_role, "updated_at": after.updated_at}
            await Membership.update(self._members.encode(changes)).where(_here(record))
            self._member_changed(record.user_id)
        return after

    async def remove_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        async with self.changing(call):
            record = await self._member(id, member, call=call)
            if record is None:
                return None
            await Membership.delete().where(_here(record))
            self._member_changed(record.user_id)
        return record

    async def _member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        """A member of an organization. The organization's row is locked until the transaction ends. None
        where the scope does not reach the organization, where there is no such member, or where several
        members have the e-mail address."""
        if await self.locked(id, call=call) is None:
            return None
        condition = (Membership.organization_id == id) & is_user(Membership.user_id, member)
        rows = await Membership.select().where(condition).limit(2)
        return self._members.decode(rows[0]) if len(rows) == 1 else None

    def _member_changed(self, user_id: str) -> None:
        self.database.after_commit(lambda: self._announce(f"user:{user_id}"))


def _here(record: OrganizationMembershipRecord) -> And:
    return (Membership.organization_id == record.organization_id) & (Membership.user_id == record.user_id)
