"""The rules over the calls of one caller to one model, sorted once by what an attempt takes of them. Pure."""

from collections.abc import Sequence

import msgspec

from functions.contract.call import Caller
from models_registry.model_names import covers
from models_registry.target import Capacity, Target
from runtime.limits.capacities import OWNER, rules_of
from runtime.limits.rate_headers import RateHeaders, headers_of, key_budget_of, key_headers
from runtime.limits.slices import TOKENS, Need
from schema.limits import Meter, Rule

MAX_PLANS = 10_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The rules over the calls of one caller to one model, sorted once by what an attempt takes of them."""

    source: Sequence[Rule]
    """The rules that the plan was made of, before those about other models were left out."""
    budgets: tuple[Rule, ...]
    """The rules about money. Only calls that cost something take of them."""
    token_limits: tuple[Rule, ...]
    ones: tuple[Need, ...]
    """The limits on requests and on calls at once, as needs: every attempt takes 1 of each."""
    headers: tuple[tuple[RateHeaders, ...], ...]
    """The headers that tell how the limits stand, by kind of limit."""
    key_headers: tuple[tuple[bytes, bytes], ...]
    """The headers that tell the key's own budget and limits."""
    key_budget: Rule | None
    capacity: Capacity | None = None
    """The deployment's limits that the plan has too. None: it has none."""


class Plans:
    """The plans of one worker. `common` are the rules over all calls of the gateway."""

    def __init__(self, common: Sequence[Rule]) -> None:
        self._common = tuple(common)
        self._kept: dict[tuple[str, str, str], Plan] = {}

    def of(self, caller: Caller, extra: Sequence[Rule], model: str, capped: Target | None = None) -> Plan:
        """The plan for a caller and a model, with the limits of the deployment `capped`. A plan is kept while
        `caller.rules` is the same object, which is until the rules are read from Postgres again. A plan with
        the rules of an end user (`extra`) is made anew each time."""
        if extra:
            own = () if capped is None else rules_of(capped)
            return plan_of((*caller.rules, *extra, *self._common, *own), model)
        key = (caller.key_hash, model, "" if capped is None else capped.model_id)
        capacity = None if capped is None else capped.capacity
        known = self._kept.get(key)
        if known is not None and known.source is caller.rules and known.capacity == capacity:
            return known
        own = () if capped is None else rules_of(capped)
        plan = plan_of((*caller.rules, *self._common, *own), model)
        plan = msgspec.structs.replace(plan, source=caller.rules, capacity=capacity)
        if len(self._kept) >= MAX_PLANS:
            self._kept.clear()
        self._kept[key] = plan
        return plan


def plan_of(rules: Sequence[Rule], model: str) -> Plan:
    """The plan for one model, of the rules that are about this model or about all models."""
    mine = [rule for rule in rules if rule.model is None or covers(rule.model, model)]
    rates = [rule for rule in mine if rule.meter is not Meter.MONEY]
    token_limits = tuple(rule for rule in rates if rule.meter in TOKENS)
    return Plan(
        source=rules,
        budgets=tuple(rule for rule in mine if rule.meter is Meter.MONEY),
        token_limits=token_limits,
        ones=tuple(Need(rule, 1) for rule in rates if rule.meter not in TOKENS),
        headers=headers_of([rule for rule in rates if rule.who != OWNER]),
        key_headers=key_headers(mine),
        key_budget=key_budget_of(mine),
    )
