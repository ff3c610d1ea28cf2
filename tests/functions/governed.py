"""Management functions called directly, over real stores in a real database. A `House` makes the context for
each caller."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from functions.contract.call import Caller
from functions.contract.function import TextReply, manifest_of
from functions.contract.policy import Policy
from functions.rules.user_policy import newcomer
from runtime.bodies.reader import BodyReader
from runtime.catalog import ACCESSES
from runtime.corrections.writer import CorrectionWriter
from runtime.postgres.database import Database
from runtime.stores import Stores
from runtime.telemetry.alert_reader import AlertReader
from schema.wire import Wire, decode_body
from tests.fakes.ports import make_ports
from tests.functions.contexts import ADMIN, NOW, make_call, make_registry

T = TypeVar("T")


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


class House:
    """The stores of one database. `announced` has the topics that were announced as changed."""

    def __init__(self, database: Database, policy: Policy = DEFAULTS) -> None:
        self.announced: list[str] = []
        self.now: datetime = NOW
        """The time at which calls are received."""
        stores = Stores(
            database,
            self.announced.append,
            reports=database,
            fresh=lambda user_id: newcomer(user_id, policy, self.now),
        )
        self.ports = make_ports(
            keys=stores.keys,
            users=stores.users,
            teams=stores.teams,
            organizations=stores.organizations,
            customers=stores.customers,
            budgets=stores.budgets,
            access_groups=stores.access_groups,
            audit=stores.audit,
            spend=stores.spend,
            log=stores.log,
            reports=stores.reports,
            bodies=BodyReader(database),
            counters=stores.counters,
            corrections=CorrectionWriter(database, database),
            prices=make_registry(),
            metrics=NoMetrics(),
            alerts=AlertReader(database),
            entropy=CountingEntropy(),
            policy=policy,
            accesses=ACCESSES,
        )
        self.database = database

    def give(self, **ports: object) -> None:
        """Use these ports in place of the house's own."""
        self.ports = msgspec.structs.replace(self.ports, **ports)

    async def call(
        self, function: Callable[..., Awaitable[T]], body: dict[str, Any] | None = None, by: Caller = ADMIN
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
        ports = {name: getattr(self.ports, name) for name in wanted if name != "call"}
        return await function(request, manifest.context(call=call, **ports))


def in_house(dsn: str, scenario: Callable[[House], Awaitable[T]], policy: Policy = DEFAULTS) -> T:
    """Run a scenario against the database of a test."""

    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            return await scenario(House(database, policy))
        finally:
            await database.close()

    return asyncio.run(run())
