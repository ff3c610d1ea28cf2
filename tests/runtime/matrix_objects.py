"""Who calls in the matrix of roles, and the objects of each case."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from functions import (
    access_groups,
    budgets,
    credentials,
    customers,
    keys,
    organizations,
    projects,
    router_config,
    saved_filters,
    stored_models,
    tags,
    teams,
)
from functions.contract.call import Caller
from functions.contract.roles import (
    DEVOPS,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    PROXY_ADMIN,
    PROXY_ADMIN_VIEWER,
    SERVICE_KEY,
)
from functions.rules.conversations import KIND, owner_of
from runtime.books.insert import insert_rows
from runtime.postgres.partitions import ensure_partition
from schema.ledger.rows import SpendRow
from schema.responses import StoredResponse
from schema.tables.partitions import month_of
from tests.fakes.state import FakeState
from tests.functions.contexts import ADMIN
from tests.functions.governed import Body, House
from tests.runtime.attempts import make_row

SCIM_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
SCIM_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
SCIM_PATCH = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "displayName", "value": "x"}],
}


TODAY = datetime.now(UTC).date()
PERIOD = {"start_date": str(TODAY - timedelta(days=1)), "end_date": str(TODAY + timedelta(days=1))}
ROLES = ("admin", "viewer", "org_admin", "team_admin", "devops", "user", "user_viewer", "service_key")
PROVIDERS_MODEL: Body = {"model": "openai/gpt-4o", "api_key": "sk-of-the-provider"}


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
        self.filter_id = ""
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


class Known:
    """An authenticator that knows one caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        return self._caller


async def furnish(house: House, case: Case, family: str = "") -> None:
    """Make the case's objects: all of them, or those that a family's functions are about."""
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
    owner: Body = {"user_id": "stranger"}
    if case.own:
        owner = (
            {"team_id": team}
            if case.role in ("org_admin", "team_admin", "service_key")
            else {"user_id": case.me}
        )
    by = case.caller() if case.own and case.role == "devops" else ADMIN
    made = await house.call(keys.generate, {"key_alias": case.alias, **owner}, by)
    case.key = made.token
    for name, more in MORE.items():
        if not family or name == family:
            await more(house, case)


async def _budget(house: House, case: Case) -> None:
    await house.call(budgets.new, {"budget_id": case.budget})


async def _customer(house: House, case: Case) -> None:
    await house.call(customers.new, {"user_id": case.customer})


async def _tag(house: House, case: Case) -> None:
    await house.call(tags.new, {"name": case.customer})


async def _project(house: House, case: Case) -> None:
    await house.call(projects.new, {"project_id": case.customer, "team_id": case.team})


async def _group(house: House, case: Case) -> None:
    made = await house.call(access_groups.new, {"access_group_name": case.team})
    case.group = made.access_group_id


async def _saved_filter(house: House, case: Case) -> None:
    owner = case.me if case.own and case.role != "service_key" else "stranger"
    body: Body = {"page": "activity", "name": case.name, "filters": {"q": case.name}}
    by = Caller(role=INTERNAL_USER, key_hash="0" * 8, user_id=owner)
    case.filter_id = (await house.call(saved_filters.new, body, by)).filter_id


async def _audit_row(house: House, case: Case) -> None:
    case.audit_id = await house.database.pool.fetchval('SELECT id FROM "LiteLLM_AuditLog" LIMIT 1')


async def furnish_registry(house: House, case: Case, name: str) -> None:
    """Make what the function is about: the case's model, which its team owns, a credential, or fallbacks."""
    if name.startswith("stored_models") or name == "credentials.by_model":
        model: Body = {
            "model_name": case.name,
            "litellm_params": PROVIDERS_MODEL,
            "model_info": {"id": case.name, "team_id": case.team},
        }
        await house.call(stored_models.new, model)
    elif name.startswith("credentials"):
        values: Body = {"api_key": "sk-of-the-provider"}
        await house.call(credentials.new, {"credential_name": case.name, "credential_values": values})
    else:
        await house.call(router_config.set_fallback, {"model": "gpt", "fallback_models": ["claude"]})


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


MORE: Mapping[str, Callable[[House, Case], Awaitable[None]]] = {
    "budgets": _budget,
    "customers": _customer,
    "tags": _tag,
    "projects": _project,
    "access_groups": _group,
    "saved_filters": _saved_filter,
    "audit": _audit_row,
    "corrections": book,
}


"""What a case has beside its organization, its team and its key, by the family that is about it."""


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
