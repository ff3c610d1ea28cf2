"""Management functions called directly, over real stores in a real database. A `House` makes the context for
each caller."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from functions.contract.call import Call, Caller
from functions.contract.function import TextReply, manifest_of
from functions.contract.policy import Policy
from functions.contract.visit import Visit
from functions.ports.models import Bounds
from functions.rules.user_policy import newcomer
from models_registry.target import Target
from runtime.blueprint import Blueprint, check
from runtime.bodies.reader import BodyReader
from runtime.catalog import ACCESSES
from runtime.corrections.writer import CorrectionWriter
from runtime.identity.in_force import AuthoritiesInForce
from runtime.people import PeopleParts
from runtime.postgres.database import Database
from runtime.postgres.databases import Databases
from runtime.postgres.look_ups import LookUps
from runtime.registry.live_models import LiveModels
from runtime.settings import Settings
from runtime.stores import Stores
from runtime.telemetry.alert_reader import AlertReader
from schema.explain import ExplainedRule
from schema.limits import Meter, Rule
from schema.secret import Secret
from schema.wire import Wire, decode_body
from tests.fakes.authority import Silence
from tests.fakes.deployments import NO_ENDPOINTS, FakeDeployments
from tests.fakes.guardrails import FakeGuardrails
from tests.fakes.ports import make_ports
from tests.functions.contexts import ADMIN, NOW, make_call, make_registry, make_router

T = TypeVar("T")
VISIT = Visit(request_id="0190-visit", received_at=NOW, address="203.0.113.7")
"""A browser without cookies."""
MASTER_KEY = Secret("sk-master-key-of-these-tests")


DEFAULTS = Policy(admins_stay_out=True)
"""Teams without their maker among the members, whom most tests are not about."""
Body = dict[str, Any]  # JSON, as a client would write it
Case = tuple[Callable[..., Awaitable[Any]], Body]


def cases(*pairs: Case) -> tuple[Case, ...]:
    """Pairs of a function and a body for it."""
    return pairs


def found(*each: tuple[Body, Any]) -> tuple[tuple[Body, Any], ...]:
    """Pairs of a query and what it finds."""
    return each


def bodies(*each: Body) -> tuple[Body, ...]:
    return each


class CountingEntropy:
    """Keys and ids that differ from each other and are the same in every run."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def key(self) -> str:
        return f"sk-{next(self._next):040d}"

    def id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._next):012d}"


class NoMetrics:
    async def text(self) -> TextReply:
        return TextReply(media_type="text/plain", content="")


class NoQuotes:
    """Nothing has a price, and no call is under a limit but the budgets of its caller."""

    def ceiling(self, target: Target, bounds: Bounds) -> int | None:
        return None

    async def rules(self, call: Call, model: str, *, everything: bool) -> Sequence[ExplainedRule]:
        return []

    async def budgets(self, call: Call, model: str) -> Sequence[Rule]:
        return [rule for rule in call.caller.rules if rule.meter is Meter.MONEY]

    async def capacity(self, target: Target) -> Sequence[ExplainedRule]:
        return []


def people_of(
    database: Database,
    announce: Callable[[str], None],
    policy: Policy = DEFAULTS,
    *,
    env: Mapping[str, str] | None = None,
    general: Mapping[str, object] | None = None,
) -> PeopleParts:
    """The parts by which people sign in, under a config, over one database."""
    checked = check({"general_settings": dict(general or {})}, env or {})
    assert checked.errors == (), checked.errors
    settings = Settings(
        data_dir=Path(), database_url=None, master_key=MASTER_KEY, salt_key=Secret("salt-of-these-tests")
    )
    return PeopleParts(
        msgspec.structs.replace(checked, policy=policy),
        Blueprint(document={}, env={}, settings=settings, master_key=MASTER_KEY, dsn=Secret("")),
        Databases(auth=database, leases=database, management=database, reports=database),
        announcements=Silence(),
        look_ups=LookUps(),
        announce=announce,
    )


class House:
    """The stores of one database. `announced` has the topics that were announced as changed."""

    def __init__(self, database: Database, policy: Policy = DEFAULTS) -> None:
        self.announced: list[str] = []
        self.policy = policy
        self.now: datetime = NOW
        """The time at which calls are received."""
        stores = Stores(
            database,
            self.announced.append,
            reports=database,
            fresh=lambda user_id: newcomer(user_id, policy, self.now),
        )
        people = people_of(database, self.announced.append, policy)
        self.people = people
        self.ports = make_ports(
            keys=stores.keys,
            users=stores.users,
            teams=stores.teams,
            organizations=stores.organizations,
            customers=stores.customers,
            tags=stores.tags,
            projects=stores.projects,
            budgets=stores.budgets,
            access_groups=stores.access_groups,
            saved_filters=stores.saved_filters,
            audit=stores.audit,
            spend=stores.spend,
            log=stores.log,
            reports=stores.reports,
            latency=stores.latency,
            balances=stores.balances,
            authorities=AuthoritiesInForce(policy, database),
            bodies=BodyReader(database),
            counters=stores.counters,
            corrections=CorrectionWriter(database, database),
            prices=LiveModels(make_registry()),
            metrics=NoMetrics(),
            alerts=AlertReader(database),
            plans=make_router(),
            quotes=NoQuotes(),
            deployments=FakeDeployments(reported={None: NO_ENDPOINTS}),
            entropy=CountingEntropy(),
            policy=policy,
            accesses=ACCESSES,
            guardrails=FakeGuardrails("pii", "more", "other"),
            signin=people.desk,
            sessions=people.sessions,
            passwords=people.passwords,
            sso=people.settings,
            directory=people.directory,
        )
        self.database = database

    def give(self, **ports: object) -> None:
        """Use these ports in place of the house's own."""
        self.ports = msgspec.structs.replace(self.ports, **ports)

    async def call(
        self,
        function: Callable[..., Awaitable[T]],
        body: dict[str, Any] | None = None,
        by: Caller = ADMIN,
        visit: Visit = VISIT,
    ) -> T:
        """Call a function as the runtime does, with a body or query of these fields."""
        manifest = manifest_of(function)
        if issubclass(manifest.request, Wire):
            request: object = decode_body(
                msgspec.json.Decoder(manifest.request), msgspec.json.encode(body or {})
            )
        else:
            request = msgspec.convert(body or {}, manifest.request, strict=False)
        wanted = [field.name for field in msgspec.structs.fields(manifest.context)]
        call = make_call(by, scope=by.scope(manifest.access, manifest.path), received_at=self.now)
        facts = {"call": call, "visit": visit}
        ports = {name: facts.get(name) or getattr(self.ports, name) for name in wanted}
        return await function(request, manifest.context(**ports))


def in_house(dsn: str, scenario: Callable[[House], Awaitable[T]], policy: Policy = DEFAULTS) -> T:
    """Run a scenario against the database of a test."""

    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            return await scenario(House(database, policy))
        finally:
            await database.close()

    return asyncio.run(run())
