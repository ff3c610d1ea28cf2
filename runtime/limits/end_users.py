"""The end users that requests name: their limits, and whether they may come in."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from functions.contract.policy import Policy
from models_registry.registry import permits
from runtime.limits.rules import Level, Limits, money_rules, rate_rules
from runtime.postgres.database import Database
from runtime.postgres.freshness import DEAF_S, HEARD_S, KNOWN_S, STALE_S, Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.row_codec import RowCodec
from schema.budgets import BudgetRecord
from schema.customers import CustomerRecord
from schema.errors import ModelNotAllowed, NotAllowed
from schema.limits import Rule
from schema.tables.budgets import Budget, Customer

MAX_CACHED = 10_000
"""How many entered customers are kept, and as many that a call only named: callers may name anybody."""
MAX_ID_CHARS = 256


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, known or not, as it was last read."""

    read_mono: float
    entered: bool = False
    blocked: bool = False
    models: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


class Customers:
    """By the id in a request's `user`. A customer nobody has entered has the config's default budget."""

    def __init__(
        self,
        policy: Policy,
        announcements: Announcements,
        database: Database,
        look_ups: LookUps,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._announcements = announcements
        self._database = database
        self._look_ups = look_ups
        self._clock = clock
        self._cache: OrderedDict[str, Known] = OrderedDict()
        self._strangers: OrderedDict[str, Known] = OrderedDict()
        self._changes = 0
        self._customers = RowCodec(Customer, CustomerRecord)
        self._budgets = RowCodec(Budget, BudgetRecord)

    async def rules(self, customer: str, model: str) -> Sequence[Rule]:
        """The limits over a customer's calls. Raises NotAllowed, or DatabaseUnavailable. A text too long
        to be entered as an id names nobody."""
        if len(customer) > MAX_ID_CHARS:
            return ()
        known = self._cache.get(customer) or self._strangers.get(customer)
        if known is None or not self._is_fresh(known):
            known = await self._read(customer, known)
        if known.blocked:
            raise NotAllowed(
                f"The customer {customer[:100]!r} is blocked.", param="user", code="customer_blocked"
            )
        if known.models and not permits(known.models, model):
            raise ModelNotAllowed(
                f"The customer of this call may not use the model `{model}`.", param="model", level="customer"
            )
        return known.rules

    def forget(self, topic: str) -> None:
        """A customer or a budget was changed."""
        self._changes += 1
        if topic == "all" or topic.startswith("budget:"):
            self._cache.clear()
            self._strangers.clear()
        elif topic.startswith("customer:"):
            self._cache.pop(topic.removeprefix("customer:"), None)
            self._strangers.pop(topic.removeprefix("customer:"), None)

    def _is_fresh(self, known: Known) -> bool:
        now = self._clock()
        heard = now - self._announcements.heard_mono <= HEARD_S
        return now - known.read_mono <= (KNOWN_S if heard else DEAF_S)

    async def _read(self, customer: str, before: Known | None) -> Known:
        ask = partial(self._ask, customer)
        if before is None or self._clock() - before.read_mono >= STALE_S:
            return await ask()
        return await self._look_ups.newer(f"customer:{customer}", ask) or before

    async def _ask(self, customer: str) -> Known:
        changes = self._changes
        known = await self._find(customer, self._clock())
        if changes == self._changes:
            self._cache.pop(customer, None)
            self._strangers.pop(customer, None)
            cache = self._cache if known.entered else self._strangers
            cache[customer] = known
            if len(cache) > MAX_CACHED:
                cache.popitem(last=False)
        return known

    async def _find(self, customer: str, read_mono: float) -> Known:
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
            read_mono=read_mono,
            entered=record is not None,
            blocked=record is not None and record.blocked,
            models=tuple(record.models) if record is not None else (),
            rules=(*money_rules(level, limits), *rate_rules(level, limits)),
        )
