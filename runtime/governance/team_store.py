"""Teams in Postgres, with their members. Implements `functions.ports.governance.Teams`.

A membership is a row. Triggers keep the lists of members and teams in the team's and the user's rows. A
change of members locks the team's row first, so two changes at once are applied one after the other. Where
several rows are locked, teams come first and users second, each in the order of their ids, so that no
deadlock arises.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from functions.contract.call import Call
from functions.rules.team_policy import TeamCheck
from runtime.governance.entities import BUDGET, TEAM
from runtime.governance.invited import is_user, users_of
from runtime.governance.key_search import escaped
from runtime.governance.key_store import KeyStore
from runtime.governance.row_store import Announce, RowStore
from runtime.governance.tenancy import Predicate
from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.errors.requests import InvalidRequest
from schema.errors.rows import AlreadyMember, NotFound
from schema.fields import LimitFields, Page, StampFields
from schema.tables.budgets import Budget
from schema.tables.keys import VerificationToken
from schema.tables.teams import Team, TeamMembership
from schema.tables.users import User
from schema.teams import (
    Member,
    TeamFilterQuery,
    TeamMembershipRecord,
    TeamMembershipShown,
    TeamPageQuery,
    TeamRecord,
)

MAX_SHOWN = 1_000
LIMITS = sorted({*LimitFields.__struct_fields__} - {*StampFields.__struct_fields__})


OF_PROJECT = "LiteLLM_VerificationToken_project_id_fkey"
"""The constraint by which the project of a key exists."""


class TeamStore(RowStore[TeamRecord]):
    def __init__(self, database: Database, announce: Announce, keys: KeyStore) -> None:
        super().__init__(database, TEAM, announce)
        self._keys = keys
        self._budgets = RowStore(database, BUDGET, announce)
        self._members = RowCodec(TeamMembership, TeamMembershipRecord)

    async def filtered(self, query: TeamFilterQuery, *, call: Call) -> Page[TeamRecord]:
        wanted: list[Predicate] = [
            column.ilike(f"%{escaped(part)}%")
            for column, part in ((Team.team_id, query.team_id), (Team.team_alias, query.team_alias))
            if part
        ]
        order = [("team_id", True)]
        return await self.listed(wanted, call=call, page=query.page, size=query.page_size, order=order)

    async def search(
        self, where: Mapping[str, object], query: TeamPageQuery, *, call: Call
    ) -> Page[TeamRecord]:
        wanted = self.conditions(where)
        if wanted is None:
            return Page(records=[], total=0)
        if query.search:
            pattern = f"%{escaped(query.search)}%"
            wanted.append(Team.team_id.ilike(pattern) | Team.team_alias.ilike(pattern))
        order = [(query.sort_by, query.sort_order == "asc")]
        return await self.listed(wanted, call=call, page=query.page, size=query.page_size, order=order)

    async def add_with(
        self,
        record: TeamRecord,
        *,
        members: Sequence[Member],
        member_limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamRecord:
        """Add a team with its members, all or nothing. `member_limits` are the limits of members without
        their own. Raises AlreadyExists."""
        async with self.changing(call):
            if member_limits:
                budget_id = await self._budget(None, member_limits, call)
                record = msgspec.structs.replace(record, member_budget_id=budget_id)
            await self.add(record, call=call)
            await self._join(record, members, {}, None, call)
            return await self._again(record.team_id, call)

    async def change_with(
        self,
        team_id: str,
        changes: Mapping[str, object],
        *,
        member_limits: Mapping[str, object] | None,
        check: TeamCheck,
        call: Call,
    ) -> TeamRecord | None:
        """Change a team. `member_limits` change the limits of members without their own."""
        async with self.changing(call):
            record = await self.locked(team_id, call=call)
            if record is None:
                return None
            check(record)
            values = dict(changes)
            if member_limits:
                values["member_budget_id"] = await self._budget(record.member_budget_id, member_limits, call)
            after = await self.write(record, values, call=call)
            self.announce(team_id)
        return after

    async def change_models(
        self, team_id: str, change: Callable[[list[str]], list[str]], *, check: TeamCheck, call: Call
    ) -> TeamRecord | None:
        async with self.changing(call):
            record = await self.locked(team_id, call=call)
            if record is None:
                return None
            check(record)
            after = await self.write(record, {"models": change(record.models)}, call=call)
            self.announce(team_id)
        return after

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[TeamRecord]:
        """Delete teams with their keys and memberships."""
        async with self.changing(call):
            await self.lock(Team.team_id.is_in(list(ids)))
            gone = await super().remove(ids, call=call)
            await self.empty([record.team_id for record in gone], call)
        return gone

    async def lock(self, condition: Predicate) -> None:
        """Lock the teams that meet the condition, in the order of their ids. They are to be deleted: their
        projects go with them at once, and the keys of these projects a moment later."""
        transaction = self.database.engine.current_transaction.get()
        assert transaction is not None, "rows are locked in a transaction"
        await transaction.connection.execute(f'SET CONSTRAINTS "{OF_PROJECT}" DEFERRED')
        await Team.select(Team.team_id).where(condition).order_by(Team.team_id).lock_rows("UPDATE")  # type: ignore[arg-type]

    async def empty(self, team_ids: Sequence[str], call: Call) -> None:
        """Delete the keys and memberships of teams that are deleted in the transaction under way."""
        if not team_ids:
            return
        inside = TeamMembership.select(TeamMembership.user_id).where(
            TeamMembership.team_id.is_in(list(team_ids))
        )
        await (
            User.select(User.user_id)
            .where(User.user_id.is_in(inside))
            .order_by(User.user_id)
            .lock_rows("UPDATE")
        )
        await self._keys.take_out_all(VerificationToken.team_id.is_in(list(team_ids)), call=call)
        members = (
            await TeamMembership.delete()
            .where(TeamMembership.team_id.is_in(list(team_ids)))
            .returning(TeamMembership.user_id)
        )
        for member in members:
            self._member_changed(member["user_id"])

    async def members(
        self, team_id: str, *, call: Call, user_id: str | None = None
    ) -> list[TeamMembershipShown]:
        """The members of a team within the scope, with their budgets, newest last, 1000 at most. With
        `user_id`, only that member."""
        if await self.find(team_id, call=call) is None:
            return []
        condition: Predicate = TeamMembership.team_id == team_id
        if user_id is not None:
            condition = condition & (TeamMembership.user_id == user_id)
        async with self.database.transaction():
            rows = await (
                TeamMembership.select()
                .where(condition)  # type: ignore[arg-type]
                .order_by(TeamMembership.created_at, TeamMembership.user_id)
                .limit(MAX_SHOWN)
            )
            records = [self._members.decode(row) for row in rows]
            ids = [record.budget_id for record in records if record.budget_id is not None]
            found = await Budget.select().where(Budget.budget_id.is_in(ids)) if ids else []
        budgets = {row["budget_id"]: self._budgets.codec.decode(row) for row in found}
        return [
            TeamMembershipShown(
                **msgspec.structs.asdict(record), litellm_budget_table=budgets.get(record.budget_id or "")
            )
            for record in records
        ]

    async def add_members(
        self,
        team_id: str,
        members: Sequence[Member],
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> tuple[TeamRecord, list[TeamMembershipRecord]] | None:
        """Add members, all or none. None where there is no such team within the scope. Raises InvalidRequest
        where a member is in the team already."""
        async with self.changing(call):
            team = await self.locked(team_id, call=call)
            if team is None:
                return None
            added = await self._join(team, members, changes, limits, call)
            return await self._again(team_id, call), added

    async def change_member(
        self,
        team_id: str,
        member: Member,
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamMembershipRecord | None:
        """Change a member and its limits. None where there is no such team within the scope. Raises
        InvalidRequest for somebody who is not in the team."""
        async with self.changing(call):
            team = await self.locked(team_id, call=call)
            if team is None:
                return None
            record = await self._member(team_id, member)
            values = dict(changes)
            if limits:
                values["budget_id"] = await self._own_budget(record, team, limits, call)
            if values:
                await TeamMembership.update(self._members.encode(values)).where(
                    (TeamMembership.team_id == team_id) & (TeamMembership.user_id == record.user_id)
                )
            self._member_changed(record.user_id)
        return msgspec.structs.replace(record, **values)

    async def remove_member(self, team_id: str, member: Member, *, call: Call) -> TeamRecord | None:
        """Remove a member, and delete the keys that the member has in the team. None where there is no such
        team within the scope. Raises InvalidRequest for somebody who is not in the team."""
        async with self.changing(call):
            if await self.locked(team_id, call=call) is None:
                return None
            record = await self._member(team_id, member)
            await TeamMembership.delete().where(
                (TeamMembership.team_id == team_id) & (TeamMembership.user_id == record.user_id)
            )
            own = (VerificationToken.team_id == team_id) & (VerificationToken.user_id == record.user_id)
            await self._keys.take_out_all(own, call=call)
            self._member_changed(record.user_id)
            return await self._again(team_id, call)

    async def _join(
        self,
        team: TeamRecord,
        members: Sequence[Member],
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> list[TeamMembershipRecord]:
        user_ids = await users_of(members, self.database, self._keys.newcomers, call)
        added = []
        for user_id, member in zip(user_ids, members, strict=True):
            here = (TeamMembership.team_id == team.team_id) & (TeamMembership.user_id == user_id)
            if await TeamMembership.exists().where(here):
                raise AlreadyMember(f"member: {user_id!r} is in this team already.", param="member")
            record = TeamMembershipRecord(
                user_id=user_id, team_id=team.team_id, role=member.role, created_at=datetime.now(UTC)
            )
            if limits:
                budget_id = await self._own_budget(record, team, limits, call)
                record = msgspec.structs.replace(record, budget_id=budget_id)
            record = msgspec.structs.replace(record, **changes)
            values = {name: getattr(record, name) for name in record.__struct_fields__}
            await TeamMembership.insert(TeamMembership(**self._members.encode(values)))  # type: ignore[arg-type]
            self._member_changed(user_id)
            added.append(record)
        return added

    async def _member(self, team_id: str, member: Member) -> TeamMembershipRecord:
        condition = (TeamMembership.team_id == team_id) & is_user(TeamMembership.user_id, member)
        rows = await TeamMembership.select().where(condition).limit(2)
        if len(rows) != 1:
            raise InvalidRequest("user_id: there is no such member in this team.", param="user_id")
        return self._members.decode(rows[0])

    async def _own_budget(
        self, member: TeamMembershipRecord, team: TeamRecord, limits: Mapping[str, object], call: Call
    ) -> str:
        """Put limits into a budget that only this member has, and give the budget's id. A new budget begins
        with the limits that were in force for the member before, so limits that are not named stay."""
        own = member.budget_id
        if own is not None and own != team.member_budget_id:
            others = (TeamMembership.user_id != member.user_id) | (TeamMembership.team_id != member.team_id)
            if not await TeamMembership.exists().where((TeamMembership.budget_id == own) & others):
                return await self._budget(own, limits, call)
        before = await Budget.select().where(Budget.budget_id == (own or team.member_budget_id or "")).first()
        if before is None:
            return await self._budget(None, limits, call)
        held = self._budgets.codec.decode(before)
        same = {name: getattr(held, name) for name in LIMITS}
        return await self._budget(None, {**same, **limits}, call)

    async def _budget(self, budget_id: str | None, limits: Mapping[str, object], call: Call) -> str:
        """Put limits into the budget with this id, or into a new one. Gives the budget's id."""
        if budget_id is not None and await self._budgets.changed_within(budget_id, limits, call=call):
            return budget_id
        made = msgspec.structs.replace(BudgetRecord(budget_id=str(uuid.uuid4())), **limits)
        await self._budgets.add(made, call=call)
        return made.budget_id

    async def _again(self, team_id: str, call: Call) -> TeamRecord:
        """The team's row, read again after triggers have changed it."""
        row = await self.entity.table.select(*self.codec.columns.values()).where(self._id == team_id).first()
        if row is None:
            raise NotFound("There is no such team.", param="team_id")
        self.announce(team_id)
        return self.codec.decode(row)

    def _member_changed(self, user_id: str) -> None:
        self.database.after_commit(lambda: self._announce(f"user:{user_id}"))
