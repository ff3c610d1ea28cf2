"""The end users that requests name: their limits, and whether they are blocked or may not use a model."""

import time
from collections.abc import Callable, Sequence
from operator import attrgetter

import msgspec

from functions.contract.policy import Policy
from models_registry.registry import permits
from runtime.limits.rules import Level, Limits, money_rules, rate_rules
from runtime.postgres.database import Database
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.read_cache import ReadCache, Source
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.customers import CustomerRecord
from schema.errors import CustomerBlocked, ModelNotAllowed
from schema.limits import Rule
from schema.tables.budgets import Budget, Customer

MAX_CACHED = 10_000
"""How many customers that have a row are kept in memory. As many ids without a row are kept too: a caller may
name anybody."""
MAX_ID_CHARS = 256
"""A longer id can't be entered as a customer's."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as last read from Postgres. The customer may have no row."""

    entered: bool = False
    """Whether the customer has a row of its own."""
    blocked: bool = False
    models: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    topics: tuple[str, ...] = ()
    """The budget that the limits were read from: `budget:free-tier`."""


class EndUsers:
    """The end users, by the id in a request's `user`. An end user without a row has the default budget of the
    config."""

    def __init__(
        self,
        policy: Policy,
        announcements: Announcements,
        database: Database,
        look_ups: LookUps,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._database = database
        source: Source[Known] = Source(
            prefix="customer:",
            find=self._find,
            is_known=attrgetter("entered"),
            topics=attrgetter("topics"),
            max_known=MAX_CACHED,
            max_strangers=MAX_CACHED,
        )
        self._cache: ReadCache[Known] = ReadCache(source, announcements, look_ups, clock)
        self._customers = RowCodec(Customer, CustomerRecord)
        self._budgets = RowCodec(Budget, BudgetRecord)

    async def rules(self, customer: str, model: str) -> Sequence[Rule]:
        """The rules over a customer's calls to a model. An id of more than 256 characters is nobody's, so
        nothing limits it. Raises NotAllowed for a customer that is blocked, ModelNotAllowed for a model that
        the customer may not use, or DatabaseUnavailable."""
        if len(customer) > MAX_ID_CHARS:
            return ()
        read = self._cache.get(customer)
        if read is None:
            read = await self._cache.read(customer)
        elif not self._cache.is_fresh(read):
            read = await self._cache.newer(customer, read)
        known = read.value
        if known.blocked:
            raise CustomerBlocked(f"The customer {customer[:100]!r} is blocked.", param="user")
        if known.models and not permits(known.models, model):
            raise ModelNotAllowed(
                f"The customer of this call may not use the model `{model}`.", param="model", level="customer"
            )
        return known.rules

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed: a customer's, or a budget's."""
        self._cache.forget(topic)

    async def _find(self, customer: str) -> Known:
        budget_id = self._policy.customer_budget_id
        with self._database.asking():
            row = await Customer.select().where(Customer.user_id == customer).first()
            record = None if row is None else self._customers.decode(row)
            if record is not None and record.budget_id is not None:
                budget_id = record.budget_id
            found = (
                None
                if budget_id is None
                else await Budget.select().where(Budget.budget_id == budget_id).first()
            )
        budget = None if found is None else self._budgets.decode(found)
        limits = Limits(max_budget=self._policy.customer_budget)
        if budget is not None:
            limits = Limits(**{name: getattr(budget, name) for name in Limits.__struct_fields__})
        level = Level(
            kind="customer",
            who="end_user",
            subject=f"customer {customer}",
            id=customer,
            topics=(f"customer:{customer}", *([f"budget:{budget_id}"] if budget_id else [])),
            own=record is None,
        )
        return Known(
            entered=record is not None,
            blocked=record is not None and record.blocked,
            models=tuple(record.models) if record is not None else (),
            rules=(*money_rules(level, limits), *rate_rules(level, limits)),
            topics=() if budget_id is None else (f"budget:{budget_id}",),
        )
