"""The end users that requests name: their limits, and whether they are blocked or may not use a model."""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import TypeVar

import msgspec

from functions.contract.policy import Policy
from models_registry.model_names import permits
from runtime.limits.rules import Level, Limits, money_rules, rate_rules
from runtime.postgres.database import Database
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.read_cache import ReadCache, Source
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.customers import CustomerRecord
from schema.errors.callers import CustomerBlocked, ModelNotAllowed, NotAllowed
from schema.limits import Rule
from schema.tables.budgets import Budget, Customer

V = TypeVar("V")

MAX_CACHED = 10_000
"""How many customers that have a row are kept in memory. As many ids without a row are kept too: a caller may
name anybody."""
MAX_ID_CHARS = 256
"""A longer id can't be entered as a customer's."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as last read from Postgres. The customer may have no row."""

    entered: bool = False
    """Whether the customer has a row of its own."""
    limited: bool = False
    """Whether the customer's row names a budget. Else a key may give it one."""
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
        budgets: Source[BudgetRecord | None] = Source(
            prefix="budget:",
            find=self._budget,
            is_known=lambda budget: budget is not None,
            topics=lambda budget: (),
            max_known=MAX_CACHED,
            max_strangers=MAX_CACHED,
        )
        self._of_keys: ReadCache[BudgetRecord | None] = ReadCache(budgets, announcements, look_ups, clock)
        """The budgets that keys give their customers, by id."""
        self._customers = RowCodec(Customer, CustomerRecord)
        self._budgets = RowCodec(Budget, BudgetRecord)

    async def rules(self, customer: str, model: str, key_budget_id: str | None = None) -> Sequence[Rule]:
        """The rules over a customer's calls to a model. `key_budget_id` is the budget that the calling key
        gives customers without one of their own. An id of more than 256 characters is nobody's, so nothing
        limits it but that budget. Raises NotAllowed for a customer that is blocked, ModelNotAllowed for a
        model that the customer may not use, or DatabaseUnavailable."""
        if len(customer) > MAX_ID_CHARS:
            return await self._under_key(customer, key_budget_id)
        known = await _fresh(self._cache, customer)
        if known.blocked:
            raise CustomerBlocked(f"The customer {customer[:100]!r} is blocked.", param="user")
        if known.models and not permits(known.models, model):
            raise ModelNotAllowed(
                f"The customer of this call may not use the model `{model}`.", param="model", level="customer"
            )
        if key_budget_id is not None and not known.limited:
            return await self._under_key(customer, key_budget_id)
        return known.rules

    async def _under_key(self, customer: str, budget_id: str | None) -> Sequence[Rule]:
        """The rules of a customer under a budget that a key names. The customer has each such budget for
        itself, whichever key names it. Raises NotAllowed where the budget is gone: what it limited must not
        be free."""
        if budget_id is None:
            return ()
        budget = await _fresh(self._of_keys, budget_id)
        if budget is None:
            raise NotAllowed(
                "end_user_budget_id: the budget that this key gives its customers no longer exists.",
                param="user",
            )
        level = Level(
            kind="end_user",
            who="end_user",
            subject=f"customer {customer[:100]}",
            id=customer if len(customer) <= MAX_ID_CHARS else sha256(customer.encode()).hexdigest(),
            part=budget_id,
            topics=(f"customer:{customer[:MAX_ID_CHARS]}", f"budget:{budget_id}"),
            own=True,
        )
        limits = _limits_of(budget)
        return (*money_rules(level, limits), *rate_rules(level, limits))

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed: a customer's, or a budget's."""
        self._cache.forget(topic)
        self._of_keys.forget(topic)

    def doubt(self) -> None:
        """Announcements may have been missed: read each value again, where Postgres can be asked."""
        self._cache.doubt()
        self._of_keys.doubt()

    async def _budget(self, budget_id: str) -> BudgetRecord | None:
        with self._database.asking():
            found = await Budget.select().where(Budget.budget_id == budget_id).first()
        return None if found is None else self._budgets.decode(found)

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
            limits = _limits_of(budget)
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
            limited=record is not None and record.budget_id is not None,
            blocked=record is not None and record.blocked,
            models=tuple(record.models) if record is not None else (),
            rules=(*money_rules(level, limits), *rate_rules(level, limits)),
            topics=() if budget_id is None else (f"budget:{budget_id}",),
        )


async def _fresh(cache: ReadCache[V], name: str) -> V:
    """The value of a name that is in force. Raises DatabaseUnavailable."""
    read = cache.get(name)
    if read is None:
        read = await cache.read(name)
    elif not cache.is_fresh(read):
        read = await cache.newer(name, read)
    return read.value


def _limits_of(budget: BudgetRecord) -> Limits:
    return Limits(**{name: getattr(budget, name) for name in Limits.__struct_fields__})
