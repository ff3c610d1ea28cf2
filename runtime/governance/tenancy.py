"""Which rows of each table a scope reaches: the conditions for all tables are in this one place.

A row outside the scope is not found, whether it is listed, read, changed or deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from types import MappingProxyType

from piccolo.columns.combination import CombinableMixin
from piccolo.table import Table

from functions.contract.roles import Reach, Scope
from runtime.postgres.conditions import Conditions
from schema.tables.keys import DeletedVerificationToken, VerificationToken
from schema.tables.organizations import Organization, OrganizationMembership
from schema.tables.projects import Project
from schema.tables.spend_logs import SpendLog
from schema.tables.teams import Team, TeamMembership
from schema.tables.users import User

Predicate = CombinableMixin


def _keys_in(
    table: type[VerificationToken] | type[DeletedVerificationToken],
) -> Callable[[Scope], dict[Reach, Predicate | None]]:
    """The conditions for keys that are there, or for those that were deleted."""

    def reached(scope: Scope) -> dict[Reach, Predicate | None]:
        organizations = list(scope.organizations)
        return {
            Reach.MINE: table.user_id == scope.user_id if scope.user_id else None,
            Reach.KEY: table.token == scope.key_hash,
            Reach.CREATED: table.created_by == scope.user_id if scope.user_id else None,
            Reach.TEAM: table.team_id.is_in(list(scope.teams)) if scope.teams else None,
            Reach.ORGANIZATION: (table.organization_id.is_in(organizations))
            | (
                table.team_id.is_in(
                    Team.select(Team.team_id).where(Team.organization_id.is_in(organizations))
                )
            )
            if organizations
            else None,
        }

    return reached


def _users(scope: Scope) -> dict[Reach, Predicate | None]:
    return {
        Reach.MINE: User.user_id == scope.user_id if scope.user_id else None,
        Reach.TEAM: User.user_id.is_in(
            TeamMembership.select(TeamMembership.user_id).where(
                TeamMembership.team_id.is_in(list(scope.teams))
            )
        )
        if scope.teams
        else None,
        Reach.ORGANIZATION: User.user_id.is_in(
            OrganizationMembership.select(OrganizationMembership.user_id).where(
                OrganizationMembership.organization_id.is_in(list(scope.organizations))
            )
        )
        if scope.organizations
        else None,
    }


def _teams(scope: Scope) -> dict[Reach, Predicate | None]:
    return {
        Reach.MINE: Team.team_id.is_in(list(scope.memberships)) if scope.memberships else None,
        Reach.KEY: Team.team_id == scope.team_id if scope.team_id else None,
        Reach.TEAM: Team.team_id.is_in(list(scope.teams)) if scope.teams else None,
        Reach.ORGANIZATION: Team.organization_id.is_in(list(scope.organizations))
        if scope.organizations
        else None,
    }


def _projects(scope: Scope) -> dict[Reach, Predicate | None]:
    found = _teams(scope)
    return {
        reach: None
        if predicate is None
        else Project.team_id.is_in(Team.select(Team.team_id).where(predicate))  # type: ignore[arg-type]
        for reach, predicate in found.items()
    }


def _organizations(scope: Scope) -> dict[Reach, Predicate | None]:
    return {
        Reach.MINE: Organization.organization_id.is_in(list(scope.affiliations))
        if scope.affiliations
        else None,
        Reach.ORGANIZATION: Organization.organization_id.is_in(list(scope.organizations))
        if scope.organizations
        else None,
    }


def _spend(scope: Scope) -> dict[Reach, Predicate | None]:
    return {
        Reach.MINE: SpendLog.user == scope.user_id if scope.user_id else SpendLog.api_key == scope.key_hash,
        Reach.KEY: SpendLog.api_key == scope.key_hash,
        Reach.TEAM: SpendLog.team_id.is_in(list(scope.teams)) if scope.teams else None,
        Reach.ORGANIZATION: SpendLog.organization_id.is_in(list(scope.organizations))
        if scope.organizations
        else None,
    }


def spend_reach(scope: Scope) -> tuple[bool, str | None, str | None, list[str], list[str]]:
    """Which spend rows a scope reaches, for queries that are not made by Piccolo: whether all rows, then the
    user, the key's hash, the teams and the organizations. A part that reaches nothing is None or empty."""
    reaches = scope.reaches
    mine = scope.user_id if Reach.MINE in reaches and scope.user_id else None
    by_key = Reach.KEY in reaches or (Reach.MINE in reaches and not scope.user_id)
    return (
        scope.everything,
        mine,
        scope.key_hash if by_key else None,
        list(scope.teams) if Reach.TEAM in reaches else [],
        list(scope.organizations) if Reach.ORGANIZATION in reaches else [],
    )


def reach_in_sql(conditions: Conditions, scope: Scope, *, user: str) -> None:
    """Keep a query of spend inside the scope. `user` is the table's column for the user. A scope that reaches
    no row gets a condition that no row meets."""
    everything, mine, key, teams, organizations = spend_reach(scope)
    if everything:
        return
    reached = (
        (user, [] if mine is None else [mine]),
        ("api_key", [] if key is None else [key]),
        ("team_id", teams),
        ("organization_id", organizations),
    )
    conditions.either(conditions.one_of(column, values) for column, values in reached if values)


PREDICATES: Mapping[type[Table], Callable[[Scope], dict[Reach, Predicate | None]]] = MappingProxyType(
    {
        VerificationToken: _keys_in(VerificationToken),
        DeletedVerificationToken: _keys_in(DeletedVerificationToken),
        User: _users,
        Team: _teams,
        Project: _projects,
        Organization: _organizations,
        SpendLog: _spend,
    }
)
"""The conditions for each table, by reach. In a table that is not here, a scope reaches all rows or none."""


def within(table: type[Table], scope: Scope) -> Sequence[Predicate] | None:
    """The conditions that keep a query inside the scope. They are empty where the scope reaches every row.
    The result is None where the scope reaches no row."""
    if scope.everything:
        return ()
    found = PREDICATES[table](scope) if table in PREDICATES else {}
    reached = [predicate for reach in scope.reaches if (predicate := found.get(reach)) is not None]
    return (reduce(or_, reached),) if reached else None
