"""Organizations in Postgres, with their members and budgets. Implements `functions.context.Organizations`."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from functions.context import Call
from runtime.database import Database
from runtime.entities import BUDGET, ORGANIZATION
from runtime.key_store import KeyStore, ensure_user, user_by_email
from runtime.row_codec import RowCodec
from runtime.row_store import Announce, RowStore
from runtime.team_store import TeamStore
from schema.budgets import BudgetRecord
from schema.errors import InvalidRequest
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
        """With their teams, keys and memberships; a record of each team and key is kept."""
        async with self.changing(call):
            gone = await super().remove(ids, call=call)
            names = [record.organization_id for record in gone]
            if names:
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
            )
            budget = await (
                self._budgets.entity.table.select(*self._budgets.codec.columns.values())
                .where(self._budgets.codec.columns["budget_id"] == record.budget_id)
                .first()
            )
            teams = await Team.select(*self._teams.codec.columns.values()).where(Team.organization_id == id)
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
            for member in members:
                user_id = await self._user_of(member, call)
                here = (Membership.organization_id == id) & (Membership.user_id == user_id)
                if await Membership.exists().where(here):
                    raise InvalidRequest(
                        f"member: {user_id!r} is in this organization already.", param="member"
                    )
                now = datetime.now(UTC)
                record = OrganizationMembershipRecord(
                    user_id=user_id, organization_id=id, user_role=member.role, created_at=now, updated_at=now
                )
                values = {name: getattr(record, name) for name in record.__struct_fields__}
                await Membership.insert(Membership(**self._members.encode(values)))  # type: ignore[arg-type]
                self._member_changed(user_id)
                added.append(record)
        return added

    async def change_member(
        self, id: str, user_id: str, role: str, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        here = (Membership.organization_id == id) & (Membership.user_id == user_id)
        async with self.changing(call):
            if await self.locked(id, call=call) is None:
                return None
            await Membership.update({Membership.user_role: role}).where(here)
            row = await Membership.select().where(here).first()
            self._member_changed(user_id)
        return None if row is None else self._members.decode(row)

    async def remove_member(self, id: str, user_id: str, *, call: Call) -> bool:
        here = (Membership.organization_id == id) & (Membership.user_id == user_id)
        async with self.changing(call):
            if await self.locked(id, call=call) is None:
                return False
            gone = await Membership.delete().where(here).returning(Membership.user_id)
            self._member_changed(user_id)
        return bool(gone)

    async def _user_of(self, member: OrganizationMember, call: Call) -> str:
        if member.user_id:
            await ensure_user(member.user_id, call)
            return member.user_id
        if not member.user_email:
            raise InvalidRequest("member: name a user_id or a user_email.", param="member")
        return await user_by_email(member.user_email, call)

    def _member_changed(self, user_id: str) -> None:
        self.database.after_commit(lambda: self._announce(f"user:{user_id}"))
