"""Ports to keys, users, teams and the other governed rows. Implementations are in `runtime`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from functions.contract.call import Call
from schema.audit import AuditFilter, AuditQuery, AuditRecord
from schema.budgets import BudgetRecord
from schema.customers import CustomerInfo, CustomerRecord
from schema.fields import Page
from schema.keys import KeyListQuery, KeyRecord
from schema.organizations import (
    OrganizationInfo,
    OrganizationMember,
    OrganizationMembershipRecord,
    OrganizationRecord,
)
from schema.teams import Member, TeamMembershipRecord, TeamMembershipShown, TeamRecord
from schema.users import UserListed, UserListQuery, UserRecord, UserTeam

R = TypeVar("R", bound=msgspec.Struct)


def anything(record: msgspec.Struct) -> None:
    """A check that nothing fails."""


class Rows(Protocol[R]):
    """Governed rows of one kind. Everything stays inside `call.scope`: a row outside it is not there.
    Changes are audited as made by `call`."""

    async def add(self, record: R, *, call: Call) -> R:
        """Raises Conflict where its id or another unique name exists, InvalidRequest for a budget
        that doesn't."""
        ...

    async def find(self, id: str, *, call: Call) -> R | None: ...

    async def some(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Those of the rows named that there are."""
        ...

    async def page(
        self, where: Mapping[str, object], *, call: Call, page: int = 1, size: int = 100
    ) -> Page[R]:
        """One page of those that have these values, newest first. A list of values: any of them;
        None: whatever."""
        ...

    async def dearest(self, *, call: Call, limit: int) -> list[R]:
        """Those that have spent the most."""
        ...

    async def change(self, id: str, changes: Mapping[str, object], *, call: Call) -> R | None:
        """Set the named fields and no other; a MetadataChange is applied to what is there. Gives the
        row after, None where there is none."""
        ...

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Delete the rows named, and keep a record of each; gives those that went. Raises Conflict
        where one is in use."""
        ...


class Keys(Rows[KeyRecord], Protocol):
    """The virtual keys, by SHA-256 of the key. `check` is shown a key as it will be, its row locked, and
    raises where it may not be so."""

    async def change(
        self,
        id: str,
        changes: Mapping[str, object],
        *,
        check: Callable[[KeyRecord], None] = anything,
        call: Call,
    ) -> KeyRecord | None: ...

    async def search(
        self, query: KeyListQuery, *, now: datetime, call: Call, named: bool = False
    ) -> Page[KeyRecord]:
        """One page of those the query fits; `named`: that have an alias, in its order."""
        ...

    async def replace(
        self,
        key_hash: str,
        changes: Mapping[str, object],
        *,
        revoke_at: datetime | None,
        check: Callable[[KeyRecord], None] = anything,
        call: Call,
    ) -> KeyRecord | None:
        """Give a key's row another hash; the old one is good until `revoke_at`."""
        ...

    async def budget(self, budget_id: str) -> BudgetRecord | None:
        """A budget that a key names."""
        ...


class Users(Rows[UserRecord], Protocol):
    """The users, with what belongs to them."""

    async def add_with(
        self,
        record: UserRecord,
        *,
        teams: Sequence[UserTeam],
        organizations: Sequence[str],
        key: KeyRecord | None,
        call: Call,
    ) -> UserRecord:
        """A user with its memberships and first key, all of it or nothing. Raises Conflict, or
        NotFound for a team or organization that is not there."""
        ...

    async def search(self, query: UserListQuery, *, call: Call) -> Page[UserListed]:
        """One page of those the query fits."""
        ...


class Teams(Rows[TeamRecord], Protocol):
    """The teams, with their members. What is None where there is no such team within the scope raises
    InvalidRequest for a member that is there already, or is not."""

    async def add_with(
        self,
        record: TeamRecord,
        *,
        members: Sequence[Member],
        member_limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamRecord:
        """A team with its members, all of it or nothing."""
        ...

    async def change_with(
        self,
        team_id: str,
        changes: Mapping[str, object],
        *,
        member_limits: Mapping[str, object] | None,
        check: Callable[[TeamRecord], None],
        call: Call,
    ) -> TeamRecord | None:
        """Change a team, and the limits of members without their own. `check` is shown the team as it is,
        locked, and raises where it may not be changed."""
        ...

    async def change_models(
        self,
        team_id: str,
        change: Callable[[list[str]], list[str]],
        *,
        check: Callable[[TeamRecord], None],
        call: Call,
    ) -> TeamRecord | None: ...

    async def members(
        self, team_id: str, *, call: Call, user_id: str | None = None
    ) -> list[TeamMembershipShown]:
        """The members, longest there first, at most 1,000; or one of them."""
        ...

    async def add_members(
        self,
        team_id: str,
        members: Sequence[Member],
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> tuple[TeamRecord, list[TeamMembershipRecord]] | None:
        """All of them or none."""
        ...

    async def change_member(
        self,
        team_id: str,
        member: Member,
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamMembershipRecord | None: ...

    async def remove_member(self, team_id: str, member: Member, *, call: Call) -> TeamRecord | None:
        """With the keys it has in the team."""
        ...


class Organizations(Rows[OrganizationRecord], Protocol):
    """The organizations, with their members and budgets."""

    async def add_with(
        self, record: OrganizationRecord, limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord:
        """With a budget of its own, where it names none."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord | None:
        """Change an organization, and its budget."""
        ...

    async def details(self, id: str, *, call: Call) -> OrganizationInfo | None:
        """With its budget, members and teams."""
        ...

    async def add_members(
        self, id: str, members: Sequence[OrganizationMember], *, call: Call
    ) -> list[OrganizationMembershipRecord] | None:
        """All or none. Raises InvalidRequest for one that is there already."""
        ...

    async def change_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        """Give the member the role that it is named with."""
        ...

    async def remove_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None: ...


class Customers(Rows[CustomerRecord], Protocol):
    """The end users, with their budgets."""

    async def add_with(
        self, record: CustomerRecord, limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo:
        """With a budget of its own where there are limits."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo | None:
        """Change a customer, and its budget where there are limits."""
        ...

    async def details(self, id: str, *, call: Call) -> CustomerInfo | None: ...

    async def block(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord]:
        """Who is not there is entered."""
        ...

    async def unblock(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord] | None:
        """All, or None where one is not there."""
        ...


class Audit(Protocol):
    """The audit log."""

    async def page(self, query: AuditQuery) -> Page[AuditRecord]: ...

    async def find(self, id: str) -> AuditRecord | None: ...

    def everything(self, query: AuditFilter) -> AsyncIterator[AuditRecord]:
        """All that the query fits, oldest first, without holding it in memory."""
        ...
