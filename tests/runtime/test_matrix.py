"""Every path x every role x an own and a foreign object, from the catalogue: who gets what.

One line for each path says what is expected of the eight roles, in the order of ROLES, for an object of their
own and for one of somebody else. `y`: it is done. `n`: it is refused (403). `h`: there is no such thing (404,
or it is not in the list). A path without a line fails. What `own` means depends on the role: an organization
admin's object is in its organization, a team admin's is in its team, devops' was made by it, and a service
key's is the key itself.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from functions import access_groups, budgets, customers, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.function import Manifest
from functions.contract.roles import (
    DEVOPS,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    PROXY_ADMIN,
    PROXY_ADMIN_VIEWER,
    SERVICE_KEY,
)
from functions.responses import owner_of
from functions.rules.conversations import KIND
from runtime.books.insert import insert_rows
from runtime.catalog import Entry, entries
from runtime.intake.body_room import BodyRoom
from runtime.intake.searches import Searches
from runtime.invoke import Endpoint, Gateway, Incoming
from runtime.postgres.partitions import ensure_partition
from runtime.services import SystemEntropy
from schema.ledger.rows import SpendRow
from schema.responses import StoredResponse
from schema.tables.partitions import month_of
from tests.conftest import execute
from tests.databases import dsn_of
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import make_registry, make_router
from tests.functions.governed import Body, House, in_house
from tests.runtime.attempts import make_row

TODAY = datetime.now(UTC).date()
PERIOD = {"start_date": str(TODAY - timedelta(days=1)), "end_date": str(TODAY + timedelta(days=1))}
ROLES = ("admin", "viewer", "org_admin", "team_admin", "devops", "user", "user_viewer", "service_key")
Expected = tuple[str, str]

EVERYBODY: Expected = ("yyyyyyyy", "yyyyyyyy")
ADMINS_ONLY: Expected = ("ynnnnnnn", "ynnnnnnn")
OWN_SPEND: Expected = ("yyyyyyyy", "yyhhyhhh")
ADMINS_AND_THEIR_VIEWERS: Expected = ("yynnynnn", "yynnynnn")

EXPECTED: Mapping[str, Expected] = {
    # own: admin viewer org team devops user u.viewer key; then the same for a foreign object
    "chat": ("ynyyyyny", "ynyyyyny"),
    "completions": ("ynyyyyny", "ynyyyyny"),
    "messages": ("ynyyyyny", "ynyyyyny"),
    "messages.count_tokens": ("ynyyyyny", "ynyyyyny"),
    "responses": ("ynyyyyny", "ynyyyyny"),
    "responses.retrieve": ("ynyyyyny", "hnhhhhnh"),
    "responses.delete": ("ynyyyyny", "hnhhhhnh"),
    "responses.cancel": ("ynyyyyny", "hnhhhhnh"),
    "responses.input_items": ("ynyyyyny", "hnhhhhnh"),
    "embeddings": ("ynyyyyny", "ynyyyyny"),
    "models": EVERYBODY,
    "models.retrieve": EVERYBODY,
    "model_info.deployments": EVERYBODY,
    "model_info.groups": EVERYBODY,
    "metrics": ADMINS_AND_THEIR_VIEWERS,
    "alerts": ADMINS_AND_THEIR_VIEWERS,
    "health.liveliness": EVERYBODY,
    "health.readiness": EVERYBODY,
    "health.details": EVERYBODY,
    "health.routes": EVERYBODY,
    "keys.health": EVERYBODY,
    "keys.generate": ("ynyyyynn", "ynhhnnnn"),
    "keys.generate_service_account": ("ynyyhhnn", "ynhhhhnn"),
    "keys.update": ("ynyyyynn", "ynhhhhnn"),
    "keys.bulk_update": ("ynyyyynn", "ynhhhhnn"),
    "keys.info": ("yyyyyyyy", "yyhhyhhh"),
    "keys.info_of_many": ("yyyyyyyy", "yyhhyhhh"),
    "keys.list_keys": ("yyyyyyyy", "yyhhyhhh"),
    "keys.aliases": ("yyyyyyyy", "yyhhyhhh"),
    "keys.block": ("ynyyyynn", "ynhhhhnn"),
    "keys.unblock": ("ynyyyynn", "ynhhhhnn"),
    "keys.regenerate": ("ynyyyynn", "ynhhhhnn"),
    "keys.regenerate_named": ("ynyyyynn", "ynhhhhnn"),
    "keys.reset_spend": ("ynnnnnnn", "ynhhhhnn"),
    "keys.delete": ("ynyyyynn", "ynhhhhnn"),
    "users.new": ("ynynnnnn", "ynnnnnnn"),
    "users.update": ("ynyhyynn", "ynhhhhnn"),
    "users.bulk_update": ("ynynnnnn", "ynhnnnnn"),
    "users.delete": ("ynnnnnnn", "ynhnnnnn"),
    "users.block": ("ynnnnnnn", "ynhnnnnn"),
    "users.unblock": ("ynnnnnnn", "ynhnnnnn"),
    "users.info": ("yyyyyyyn", "yyhhyhhn"),
    "users.info_alone": ("yyyyyyyn", "yyhhyhhn"),
    "users.list_users": ("yyyyyyyn", "yyhhyhhn"),
    "users.filter_users": ("yyyyyyyn", "yyhhyhhn"),
    "users.available_roles": ("yyyyyyyn", "yyyyyyyn"),
    "teams.new": ("ynynnnnn", "ynhnnnnn"),
    "teams.update": ("ynyynnnn", "ynhhnnnn"),
    "teams.patch": ("ynyynnnn", "ynhhnnnn"),
    "teams.block": ("ynynnnnn", "ynhhnnnn"),
    "teams.unblock": ("ynynnnnn", "ynhhnnnn"),
    "teams.delete": ("ynynnnnn", "ynhhnnnn"),
    "teams.info": ("yyyyyyyy", "yyhhyhhh"),
    "teams.list_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.page_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.filter_teams": ("yyyyyyyy", "yyhhyhhh"),
    "teams.member_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.bulk_member_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_update": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_delete": ("ynyynnnn", "ynhhnnnn"),
    "teams.member_reset_spend": ("ynynnnnn", "ynhhnnnn"),
    "teams.model_add": ("ynyynnnn", "ynhhnnnn"),
    "teams.model_delete": ("ynyynnnn", "ynhhnnnn"),
    "teams.permissions_list": ("yyyyyyyy", "yyhhyhhh"),
    "teams.permissions_update": ("ynyynnnn", "ynhhnnnn"),
    "organizations.new": ADMINS_ONLY,
    "organizations.update": ("ynynnnnn", "ynhnnnnn"),
    "organizations.block": ADMINS_ONLY,
    "organizations.unblock": ADMINS_ONLY,
    "organizations.delete": ADMINS_ONLY,
    "organizations.list_organizations": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.info": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.info_of_many": ("yyyyyyyn", "yyhhyhhn"),
    "organizations.member_add": ("ynynnnnn", "ynhnnnnn"),
    "organizations.member_update": ("ynynnnnn", "ynhnnnnn"),
    "organizations.member_delete": ("ynynnnnn", "ynhnnnnn"),
    "budgets.new": ADMINS_ONLY,
    "budgets.update": ADMINS_ONLY,
    "budgets.delete": ADMINS_ONLY,
    "budgets.info": ADMINS_AND_THEIR_VIEWERS,
    "budgets.list_budgets": ADMINS_AND_THEIR_VIEWERS,
    "budgets.settings": ADMINS_AND_THEIR_VIEWERS,
    "customers.new": ADMINS_ONLY,
    "customers.update": ADMINS_ONLY,
    "customers.block": ADMINS_ONLY,
    "customers.unblock": ADMINS_ONLY,
    "customers.delete": ADMINS_ONLY,
    "customers.info": ADMINS_AND_THEIR_VIEWERS,
    "customers.list_customers": ADMINS_AND_THEIR_VIEWERS,
    "access_groups.new": ADMINS_ONLY,
    "access_groups.update": ADMINS_ONLY,
    "access_groups.delete": ADMINS_ONLY,
    "access_groups.list_groups": ("yyyyynnn", "yyyyynnn"),
    "access_groups.info": ("yyyyynnn", "yyyyynnn"),
    "audit": ADMINS_AND_THEIR_VIEWERS,
    "audit.one": ADMINS_AND_THEIR_VIEWERS,
    "audit.export": ADMINS_AND_THEIR_VIEWERS,
    "cost.calculate": EVERYBODY,
    "cost.estimate": EVERYBODY,
    "bodies.show": OWN_SPEND,
    "corrections.correct": ADMINS_ONLY,
    "recosting.recost": ADMINS_ONLY,
    "reconciliation.compare": ADMINS_ONLY,
    "corrections.uncertain": OWN_SPEND,
    "spend.logs": OWN_SPEND,
    "spend.log_page": OWN_SPEND,
    "spend.export": OWN_SPEND,
    "spend.keys": OWN_SPEND,
    "spend.users": ("yyyyyyyh", "yyhhyhhh"),
    "spend.teams": OWN_SPEND,
    "spend.tags": OWN_SPEND,
    "spend_reports.key": OWN_SPEND,
    "spend_reports.user": ("yyyyyyyh", "yyhhyhhh"),
    "spend_reports.team": OWN_SPEND,
    "spend_reports.organization": OWN_SPEND,
    "global_spend.total": EVERYBODY,  # each its own sum: tests/functions/test_own_reports.py
    "global_spend.logs": OWN_SPEND,
    "global_spend.keys": OWN_SPEND,
    "global_spend.models": OWN_SPEND,
    "global_spend.teams": OWN_SPEND,
    "global_spend.provider": OWN_SPEND,
    "global_spend.tags": OWN_SPEND,
    "global_spend.end_users": OWN_SPEND,
    "global_spend.report": OWN_SPEND,
    "global_spend.reset": ("nnnnnnnn", "nnnnnnnn"),  # the master key alone
    "activity.user": OWN_SPEND,
    "activity.team": OWN_SPEND,
    "activity.organization": OWN_SPEND,
    "activity.customer": OWN_SPEND,
    "activity.tag": OWN_SPEND,
    "activity.aggregated": OWN_SPEND,
    "activity.requests": EVERYBODY,
    "activity.models": EVERYBODY,
    "activity.exceptions": OWN_SPEND,
    "activity.cache_hits": OWN_SPEND,
}


class Case:
    """A caller, and an object of each kind that is its own or somebody else's."""

    def __init__(self, role: str, number: str, *, own: bool) -> None:
        self.role, self.own = role, own
        self.name = f"n{number}"
        self.budget = f"budget{number}"
        self.customer = f"customer{number}"
        self.team = f"team{number}"
        self.organization = f"organization{number}"
        self.alias = f"alias{number}"
        self.group = ""
        self.audit_id = ""
        self.key = ""
        self.user = {"org_admin": "of_acme", "team_admin": "of_red"}.get(role, self.me) if own else "stranger"
        if self.role in ("admin", "viewer"):
            self.user = "stranger"

    @property
    def me(self) -> str:
        return {"user": "ada", "devops": "ops", "user_viewer": "vic"}.get(self.role, self.role)

    @property
    def key_owner(self) -> Body:
        """Whom a new key is to belong to."""
        if not self.own:
            return {"user_id": "stranger"} if self.role in ("devops", "user") else {"team_id": self.team}
        return {"team_id": self.team} if self.role in ("admin", "org_admin", "team_admin") else {}

    def caller(self) -> Caller:
        roles = {
            "admin": PROXY_ADMIN,
            "viewer": PROXY_ADMIN_VIEWER,
            "devops": DEVOPS,
            "user_viewer": INTERNAL_USER_VIEWER,
            "service_key": SERVICE_KEY,
        }
        mine = self.own and self.role not in ("devops",)
        team_role = "admin" if self.role == "team_admin" else "user"
        organization_role = "org_admin" if self.role == "org_admin" else "internal_user"
        service = self.role == "service_key"
        return Caller(
            role=roles.get(self.role, INTERNAL_USER),
            key_hash=self.key if service and self.own else "0" * 8,
            user_id="" if service else self.me,
            team_id=self.team if service and self.own else None,
            teams={self.team: team_role} if mine and not service else {"red": team_role},
            organizations={self.organization: organization_role}
            if mine and not service
            else ({} if service else {"home": organization_role}),
        )


LISTS = frozenset(
    [
        "keys.list_keys",
        "keys.aliases",
        "keys.info_of_many",
        "users.list_users",
        "users.filter_users",
        "teams.list_teams",
        "teams.filter_teams",
        "organizations.info_of_many",
        "teams.page_teams",
        "organizations.list_organizations",
        "keys.bulk_update",
        "users.bulk_update",
        "teams.bulk_member_add",
        "corrections.uncertain",
        *(
            name
            for name, expected in EXPECTED.items()
            if name.split(".")[0] in ("spend", "spend_reports", "global_spend", "activity")
            and expected is not EVERYBODY
        ),
    ]
)
"""What answers 200 also where the object is not in it: then its name must not be in the answer, or it
stands under `failed_updates`, or beside `"success":false`."""

BODIES: Mapping[str, Callable[[Case], Body]] = {
    "chat": lambda case: {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
    "completions": lambda case: {"model": "gpt", "prompt": "hi"},
    "messages": lambda case: {
        "model": "gpt",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "messages.count_tokens": lambda case: {
        "model": "gpt",
        "messages": [{"role": "user", "content": "hi"}],
    },
    "responses": lambda case: {"model": "gpt", "input": "hi"},
    "responses.retrieve": lambda case: {"response_id": case.name},
    "responses.delete": lambda case: {"response_id": case.name},
    "responses.cancel": lambda case: {"response_id": case.name},
    "responses.input_items": lambda case: {"response_id": case.name},
    "embeddings": lambda case: {"model": "gpt", "input": "hi"},
    "models.retrieve": lambda case: {"model": "gpt"},
    "keys.generate": lambda case: case.key_owner,
    "keys.generate_service_account": lambda case: {"team_id": case.team},
    "keys.update": lambda case: {"key": case.key, "tags": ["x"]},
    "keys.bulk_update": lambda case: {"keys": [{"key": case.key, "tags": ["x"]}]},
    "keys.info": lambda case: {"key": case.key},
    "keys.info_of_many": lambda case: {"keys": [case.key]},
    "keys.list_keys": lambda case: {"size": 100},
    "keys.aliases": lambda case: {"size": 100},
    "keys.delete": lambda case: {"keys": [case.key]},
    "keys.reset_spend": lambda case: {"key": case.key},
    "users.new": lambda case: {"auto_create_key": False, "organizations": [case.organization]},
    "users.update": lambda case: {"user_id": case.user, "user_alias": "x"},
    "users.bulk_update": lambda case: {"users": [{"user_id": case.user, "user_alias": "x"}]},
    "users.delete": lambda case: {"user_ids": [case.user]},
    "users.list_users": lambda case: {"page_size": 100},
    "teams.new": lambda case: {"organization_id": case.organization},
    "teams.update": lambda case: {"team_id": case.team, "team_alias": "x"},
    "teams.patch": lambda case: {"team_id": case.team, "team_alias": "x"},
    "teams.delete": lambda case: {"team_ids": [case.team]},
    "teams.list_teams": lambda case: {},
    "teams.page_teams": lambda case: {"page_size": 100},
    "teams.member_add": lambda case: {"team_id": case.team, "member": {"user_id": "somebody"}},
    "teams.bulk_member_add": lambda case: {"team_id": case.team, "members": [{"user_id": "somebody"}]},
    "teams.member_update": lambda case: {"team_id": case.team, "user_id": "ada", "role": "user"},
    "teams.member_delete": lambda case: {"team_id": case.team, "user_id": "ada"},
    "teams.member_reset_spend": lambda case: {"team_id": case.team, "user_id": "ada"},
    "teams.model_add": lambda case: {"team_id": case.team, "models": ["x"]},
    "teams.model_delete": lambda case: {"team_id": case.team, "models": ["x"]},
    "teams.permissions_update": lambda case: {"team_id": case.team, "team_member_permissions": []},
    "organizations.new": lambda case: {"organization_alias": "x"},
    "organizations.update": lambda case: {"organization_id": case.organization, "organization_alias": "x"},
    "organizations.delete": lambda case: {"organization_ids": [case.organization]},
    "organizations.list_organizations": lambda case: {},
    "organizations.member_add": lambda case: {
        "organization_id": case.organization, "member": {"user_id": "somebody"}},
    "organizations.member_update": lambda case: {
        "organization_id": case.organization, "user_id": "ada", "role": "internal_user"},
    "organizations.member_delete": lambda case: {"organization_id": case.organization, "user_id": "ada"},
    "budgets.info": lambda case: {"budgets": [case.budget]},
    "budgets.update": lambda case: {"budget_id": case.budget},
    "budgets.settings": lambda case: {"budget_id": case.budget},
    "budgets.delete": lambda case: {"id": case.budget},
    "customers.new": lambda case: {"user_id": case.name},
    "customers.update": lambda case: {"user_id": case.customer},
    "customers.info": lambda case: {"end_user_id": case.customer},
    "access_groups.new": lambda case: {"access_group_name": case.name},
    "audit.one": lambda case: {"id": case.audit_id},
    "cost.calculate": lambda case: {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
    "cost.estimate": lambda case: {"model": "gpt", "input_tokens": 1, "output_tokens": 1},
    "bodies.show": lambda case: {"request_id": case.name},
    "corrections.uncertain": lambda case: {"model": case.name},
    "reconciliation.compare": lambda case: {"csv": "date,model,cost\n2026-11-01,m,1"},
    "recosting.recost": lambda case: {"start_date": "2026-01-01", "model": case.name},
    "corrections.correct": lambda case: {"request_id": case.name, "cost": 1, "reason": "x"},
    "spend.log_page": lambda case: {"request_id": case.name},
    "spend.export": lambda case: {**PERIOD, "request_id": case.name},
    "spend.keys": lambda case: {"limit": 1000},
    "spend.users": lambda case: {"user_id": case.user},
    "spend.teams": lambda case: {"limit": 1000},
    "spend_reports.key": lambda case: {**PERIOD, "api_key": case.key},
    "spend_reports.user": lambda case: {**PERIOD, "internal_user_id": case.user},
    "spend_reports.team": lambda case: {**PERIOD, "team_id": case.team},
    "spend_reports.organization": lambda case: {**PERIOD, "organization_id": case.organization},
    "global_spend.logs": lambda case: {"api_key": case.key},
    "global_spend.keys": lambda case: {"limit": 1000},
    "global_spend.models": lambda case: {"limit": 1000},
    "global_spend.provider": lambda case: PERIOD,
    "global_spend.tags": lambda case: {**PERIOD, "tags": case.name},
    "global_spend.end_users": lambda case: {"api_key": case.key},
    "global_spend.report": lambda case: PERIOD,
    "activity.requests": lambda case: PERIOD,
    "activity.models": lambda case: PERIOD,
    "activity.exceptions": lambda case: {**PERIOD, "model_group": case.name},
    "activity.cache_hits": lambda case: PERIOD,
    "users.filter_users": lambda case: {"user_id": case.user[1:]},
    "organizations.info_of_many": lambda case: {"organizations": [case.organization]},
}  # fmt: skip
FAMILY_BODIES: Mapping[str, Callable[[Case], Body]] = {
    "keys": lambda case: {"key": case.key},
    "users": lambda case: {"user_id": case.user},
    "teams": lambda case: {"team_id": case.team},
    "organizations": lambda case: {"organization_id": case.organization},
    "customers": lambda case: {"user_ids": [case.customer]},
    "access_groups": lambda case: {"access_group_id": case.group},
    "activity": lambda case: {**PERIOD, "api_key": case.key},
}
"""For the functions of a family that need no more."""
BODILESS = frozenset(
    [
        "models",
        "model_info.deployments",
        "model_info.groups",
        "health.liveliness",
        "health.readiness",
        "health.details",
        "health.routes",
        "keys.health",
        "metrics",
        "alerts",
        "users.available_roles",
        "budgets.new",
        "budgets.list_budgets",
        "customers.list_customers",
        "access_groups.list_groups",
        "audit",
        "audit.export",
        "spend.logs",
        "spend.tags",
        "global_spend.total",
        "global_spend.teams",
        "global_spend.reset",
    ]
)
MARKS: Mapping[str, Callable[[Case], str]] = {
    "keys.aliases": lambda case: case.alias,
    "spend.keys": lambda case: case.key,
    "spend.users": lambda case: case.user,
    "spend.teams": lambda case: case.team,
    "global_spend.logs": lambda case: "date",
    "global_spend.keys": lambda case: case.key,
    "global_spend.teams": lambda case: case.team,
    "activity.exceptions": lambda case: "date",
}
"""A name that stands in an answer of LISTS where the object is in it."""
FAMILY_MARKS: Mapping[str, Callable[[Case], str]] = {
    "keys": lambda case: case.key,
    "users": lambda case: case.user,
    "teams": lambda case: case.team,
    "organizations": lambda case: case.organization,
    "activity": lambda case: case.key,
    "corrections": lambda case: case.name,
    "spend": lambda case: case.name,
    "spend_reports": lambda case: case.name,
    "global_spend": lambda case: case.name,
}


class Known:
    """An authenticator that knows one caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        return self._caller


async def furnish(house: House, case: Case) -> None:
    """Make the case's objects."""
    organization, team = case.organization, case.team
    await house.call(organizations.new, {"organization_id": organization, "organization_alias": organization})
    await house.call(
        teams.new,
        {"team_id": team, "organization_id": organization, "models": ["x", "y"], "team_alias": team},
    )
    await house.call(teams.member_add, {"team_id": team, "member": {"user_id": "ada"}})
    await house.call(
        organizations.member_add, {"organization_id": organization, "member": {"user_id": "ada"}}
    )
    if case.own and case.role == "org_admin":
        body: Body = {"organization_id": organization, "member": {"user_id": "of_acme"}}
        await house.call(organizations.member_add, body)
    if case.own and case.role == "team_admin":
        await house.call(teams.member_add, {"team_id": team, "member": {"user_id": "of_red"}})
    await house.call(budgets.new, {"budget_id": case.budget})
    await house.call(customers.new, {"user_id": case.customer})
    case.group = (
        await house.call(access_groups.new, {"access_group_name": case.group or team})
    ).access_group_id
    owner: Body = {"user_id": "stranger"}
    if case.own:
        owner = (
            {"team_id": team}
            if case.role in ("org_admin", "team_admin", "service_key")
            else {"user_id": case.me}
        )
    by = case.caller() if case.own and case.role == "devops" else None
    made = await house.call(keys.generate, {"key_alias": case.alias, **owner}, **({"by": by} if by else {}))
    case.key = made.token
    case.audit_id = await house.database.pool.fetchval('SELECT id FROM "LiteLLM_AuditLog" LIMIT 1')
    await book(house, case)


async def book(house: House, case: Case) -> None:
    """A call of the case's key, that cost more than all before it: it is on every list of the dearest."""
    now = datetime.now(UTC)
    row = make_row(
        case.name,
        started_at=now,
        first_token_at=None,
        ended_at=now,
        key_hash=case.key,
        user_id="" if case.own and case.role == "service_key" else case.user,
        team_id=case.team,
        organization_id=case.organization,
        end_user=case.name,
        tags=(case.name,),
        model_group=case.name,
        model=case.name,
        provider=case.name,
        cost_nano=time.monotonic_ns(),
        estimated=True,
    )
    async with house.database.connection() as connection:
        await ensure_partition(connection, month_of(now.date()))
        await insert_rows(connection, [row])


def body_of(manifest: Manifest, case: Case) -> Body:
    if manifest.name in BODILESS:
        return {}
    make = BODIES.get(manifest.name) or FAMILY_BODIES[manifest.family]
    return make(case)


async def outcome(house: House, entry: Entry, case: Case, answer: FakeUpstream) -> str:
    """y, n or h; or the whole answer where it is none of them."""
    manifest = entry.manifest
    body = body_of(manifest, case)
    ledger = FakeLedger()
    gateway = Gateway(
        authenticator=Known(case.caller()),  # type: ignore[arg-type]  # all that an endpoint asks of one
        ledger=ledger,
        ports=msgspec.structs.replace(
            house.ports,
            models=make_registry(),
            routes=make_router(),
            upstream=answer,
            ledger=ledger,
            readiness=Ready(),
            state=kept_for(case),
        ),
        max_body_bytes=100_000,
        body_room=BodyRoom(1_000_000),
        searches=Searches(),
        log_line=lambda line: None,
    )

    async def read_body() -> bytes:
        return msgspec.json.encode(body)

    query = {name: str(value) for name, value in body.items()} if manifest.method == "GET" else {}
    reply = await Endpoint(entry, gateway).invoke(Incoming(headers={}, query=query, read_body=read_body))
    text = reply.body.decode() if isinstance(reply.body, bytes) else ""
    if reply.download is not None:
        text = b"".join([piece async for piece in reply.download.pieces()]).decode()
    if reply.status == 200 and manifest.name in LISTS:
        mark = (MARKS.get(manifest.name) or FAMILY_MARKS[manifest.family])(case)
        inside = f'"{mark}"' in text.split('"failed_updates":[{')[0] and '"success":false' not in text
        return "y" if inside else "h"
    if manifest.name == "responses.cancel" and reply.status == 400:
        return "y"  # the response is found, and is complete
    return {200: "y", 403: "n", 404: "h"}.get(reply.status, f"{reply.status} {text}")


def kept_for(case: Case) -> FakeState:
    """A state that holds one response: the case's own, or a stranger's."""
    state = FakeState()
    response = {"id": case.name, "object": "response"}
    value = StoredResponse(response=msgspec.Raw(msgspec.json.encode(response)), input=[])
    owner = owner_of(case.caller()) if case.own else "a stranger's key"
    state.values[KIND, owner, case.name] = msgspec.json.encode(value)
    return state


class Ready:
    async def check(self) -> object:
        return SpendRow  # rendered by nobody: the probe's answer is not looked at


@pytest.fixture(scope="module")
def furnished_dsn(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """One database for all: every case makes objects of its own."""
    name = f"matrix_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    dsn = dsn_of(postgres_server, name)

    async def people(house: House) -> None:
        for user_id in ("ada", "ops", "vic", "stranger", "of_acme", "of_red", "team_admin", "org_admin"):
            await house.call(users.new, {"user_id": user_id, "auto_create_key": False})

    in_house(dsn, people)
    yield dsn
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.manifest.name)
def test_every_role_gets_what_is_its_own_and_nothing_else(furnished_dsn: str, entry: Entry) -> None:
    name = entry.manifest.name
    assert name in EXPECTED, f"say who may use {name}"
    if entry.manifest.family == "health":
        assert entry.manifest.access.value in ("open", "health_read"), "it reads nobody's rows"
        return
    expected = EXPECTED[name]

    async def scenario(house: House) -> dict[str, str]:
        house.give(entropy=SystemEntropy())
        found: dict[str, str] = {}
        for own in (True, False):
            got = []
            for role in ROLES:
                case = Case(role, f"{name}-{role}-{own}", own=own)
                await furnish(house, case)
                upstream = FakeUpstream(
                    Answer(
                        body=answers.openai_chat()
                        if name in ("chat", "completions", "messages", "responses")
                        else answers.openai_embeddings()
                    )
                )
                got.append(await outcome(house, entry, case, upstream))
            found["own" if own else "foreign"] = " ".join(got)
        return found

    found = in_house(furnished_dsn, scenario)
    wanted = {"own": " ".join(expected[0]), "foreign": " ".join(expected[1])}
    assert found == wanted, f"roles: {' '.join(ROLES)}\n got {found}\nwant {wanted}"


def test_nothing_is_expected_of_a_route_that_is_not_there() -> None:
    assert set(EXPECTED) == {entry.manifest.name for entry in entries()}
