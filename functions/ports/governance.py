"""Ports to keys, users, teams and the other governed rows. Their implementations are in `runtime`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from functions.contract.call import Call, Caller
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
from schema.projects import ProjectInfo, ProjectRecord
from schema.saved_filters import SavedFilter
from schema.tags import TagInfo, TagRecord
from schema.teams import (
    Member,
    TeamFilterQuery,
    TeamMembershipRecord,
    TeamMembershipShown,
    TeamPageQuery,
    TeamRecord,
)
from schema.users import UserFilterQuery, UserListed, UserListQuery, UserRecord, UserTeam

R = TypeVar("R", bound=msgspec.Struct)


def anything(record: msgspec.Struct) -> None:
    """A check that every record passes."""


class Rows(Protocol[R]):
    """Governed rows of one kind. A row outside `call.scope` is treated as one that does not exist. A change
    is audited as made by `call`."""

    async def add(self, record: R, *, call: Call) -> R:
        """Add a row. Raises Conflict where its id or another unique name exists, and InvalidRequest where its
        budget does not exist."""
        ...

    async def find(self, id: str, *, call: Call) -> R | None: ...

    async def some(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """The rows with these ids. An id that does not exist is left out."""
        ...

    async def page(
        self, where: Mapping[str, object], *, call: Call, page: int = 1, size: int = 100
    ) -> Page[R]:
        """One page of the rows that have these values, newest first. A list means any of its values, None any
        value at all."""
        ...

    async def dearest(self, *, call: Call, limit: int) -> list[R]:
        """The rows that have spent the most."""
        ...

    async def change(self, id: str, changes: Mapping[str, object], *, call: Call) -> R | None:
        """Set the named fields and no other. A MetadataChange is applied to the metadata that the row has.
        Gives the changed row, None where there is none."""
        ...

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Delete the rows with these ids, and keep a record of each. Gives the deleted rows. Raises Conflict
        where a row is in use."""
        ...


class Keys(Rows[KeyRecord], Protocol):
    """The virtual keys, by SHA-256 of the key. `check` gets the key as it will be after the change, while its
    row is locked, and raises where the key may not be so."""

    async def change(
        self,
        id: str,
        changes: Mapping[str, object],
        *,
        check: Callable[[KeyRecord], None] = anything,
        call: Call,
    ) -> KeyRecord | None: ...

    async def deleted(self, key_hash: str, *, call: Call) -> KeyRecord | None:
        """A key as it was when it was deleted. None where there is no such key within the scope."""
        ...

    async def search(
        self, query: KeyListQuery, *, now: datetime, call: Call, named: bool = False
    ) -> Page[KeyRecord]:
        """One page of the keys that the query fits. `named`: only keys with an alias, in the order of
        aliases."""
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
        """Give a key's row another hash. The old key is good until `revoke_at`."""
        ...

    async def budget(self, budget_id: str) -> BudgetRecord | None:
        """A budget that a key names."""
        ...

    async def team_of_project(self, project_id: str) -> str | None:
        """The team of a project that a key is to be in. None: there is no such project."""
        ...


class InForceNow(msgspec.Struct, frozen=True, kw_only=True):
    """What a user or a key may do now."""

    caller: Caller | None
    """None: calls are refused."""
    refusal: str | None = None
    """Why calls are refused."""


class Authorities(Protocol):
    """What others may do, read anew each time."""

    async def of_key(self, key_hash: str) -> InForceNow:
        """What calls with this key may do."""
        ...

    async def of_user(self, user_id: str, team_id: str | None) -> InForceNow:
        """What a person may do that calls without a key, in a team or in none."""
        ...


class Users(Rows[UserRecord], Protocol):
    """The users, with what belongs to them."""

    async def filtered(self, query: UserFilterQuery, *, call: Call) -> Page[UserRecord]:
        """One page of the users whose id and mail address have these parts, by id."""
        ...

    async def add_with(
        self,
        record: UserRecord,
        *,
        teams: Sequence[UserTeam],
        organizations: Sequence[str],
        key: KeyRecord | None,
        call: Call,
    ) -> UserRecord:
        """Add a user with its memberships and first key: all of it or nothing. Raises Conflict, and NotFound
        where a team or an organization does not exist."""
        ...

    async def inside(self, organization_id: str, ids: Sequence[str], *, call: Call) -> list[str]:
        """Those of these users, within the scope, that are in the organization."""
        ...

    async def search(self, query: UserListQuery, *, call: Call) -> Page[UserListed]:
        """One page of the users that the query fits."""
        ...


class Teams(Rows[TeamRecord], Protocol):
    """The teams, with their members. A change gives None where the scope has no such team. It raises
    InvalidRequest where a new member is there already, and where a member to change is not there."""

    async def filtered(self, query: TeamFilterQuery, *, call: Call) -> Page[TeamRecord]:
        """One page of the teams whose id and alias have these parts, by id."""
        ...

    async def search(
        self, where: Mapping[str, object], query: TeamPageQuery, *, call: Call
    ) -> Page[TeamRecord]:
        """One page of the teams that have these values and that the query's `search` finds, in the query's
        order."""
        ...

    async def add_with(
        self,
        record: TeamRecord,
        *,
        members: Sequence[Member],
        member_limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamRecord:
        """Add a team with its members: all of it or nothing."""
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
        """Change a team, and the limits of its members that have none of their own. `check` gets the team as
        it is, while its row is locked, and raises where it may not be changed."""
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
        """The members, at most 1,000, the longest-standing first. `user_id`: that member alone."""
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
        """Add all of these members or none."""
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
        """Remove a member, and the keys that the member has in the team."""
        ...


class Organizations(Rows[OrganizationRecord], Protocol):
    """The organizations, with their members and budgets."""

    async def add_with(
        self, record: OrganizationRecord, limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord:
        """Add an organization. It gets a budget of its own where it names none."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord | None:
        """Change an organization, and its budget."""
        ...

    async def details(self, id: str, *, call: Call) -> OrganizationInfo | None:
        """An organization with its budget, members and teams."""
        ...

    async def add_members(
        self, id: str, members: Sequence[OrganizationMember], *, call: Call
    ) -> list[OrganizationMembershipRecord] | None:
        """Add all of these members or none. Raises InvalidRequest where one is there already."""
        ...

    async def change_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        """Give the member the role that `member` names."""
        ...

    async def remove_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None: ...


class Customers(Rows[CustomerRecord], Protocol):
    """The end users, with their budgets."""

    async def add_with(
        self, record: CustomerRecord, limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo:
        """Add a customer. It gets a budget of its own where there are limits."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo | None:
        """Change a customer, and its budget where there are limits."""
        ...

    async def details(self, id: str, *, call: Call) -> CustomerInfo | None: ...

    async def block(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord]:
        """Block these customers. An id that does not exist is added first."""
        ...

    async def unblock(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord] | None:
        """Unblock all of these customers. None: one of them does not exist, and none is unblocked."""
        ...


class Tags(Rows[TagRecord], Protocol):
    """The tags that somebody entered, with their budgets."""

    async def add_with(self, record: TagRecord, limits: Mapping[str, object], *, call: Call) -> TagInfo:
        """Add a tag. It gets a budget of its own where there are limits."""
        ...

    async def change_with(
        self, name: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> TagInfo | None:
        """Change a tag, and its budget where there are limits."""
        ...

    async def details(self, names: Sequence[str], *, call: Call) -> list[TagInfo]:
        """The tags of these names with their budgets. One that does not exist is left out."""
        ...


class Projects(Rows[ProjectRecord], Protocol):
    """The projects, with their budgets."""

    async def add_with(
        self, record: ProjectRecord, limits: Mapping[str, object], *, call: Call
    ) -> ProjectInfo:
        """Add a project. It gets a budget of its own where there are limits. Raises InvalidRequest where its
        team does not exist."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> ProjectInfo | None:
        """Change a project, and its budget where there are limits."""
        ...

    async def details(self, ids: Sequence[str], *, call: Call) -> list[ProjectInfo]:
        """The projects with these ids, and their budgets. One that does not exist is left out."""
        ...


class Audit(Protocol):
    """The audit log."""

    async def page(self, query: AuditQuery) -> Page[AuditRecord]: ...

    async def find(self, id: str) -> AuditRecord | None: ...

    def everything(self, query: AuditFilter) -> AsyncIterator[AuditRecord]:
        """All entries that the query fits, oldest first. They are never all in memory."""
        ...


class SavedFilterStore(Protocol):
    """The filters that people saved for pages of the admin UI. A caller has its own, and no others."""

    async def of_caller(self, page: str | None, *, call: Call) -> list[SavedFilter]:
        """The caller's filters, by page and name: of one page, or of all."""
        ...

    async def add(self, saved: SavedFilter, *, most: int, call: Call) -> SavedFilter:
        """Save filters. Raises Conflict where the caller has the name on that page already, InvalidRequest
        where the caller has `most` of them, and NotFound for a caller who is no user any more."""
        ...

    async def change(
        self, filter_id: str, *, name: str | None, filters: Mapping[str, str] | None, call: Call
    ) -> SavedFilter | None:
        """Change what is not None. Gives None where the caller has no such filter. Raises Conflict as
        `add` does."""
        ...

    async def remove(self, filter_id: str, *, call: Call) -> SavedFilter | None:
        """Delete a filter. None where the caller has no such filter."""
        ...
