"""Makes rules of rows: the budgets and limits of a key, a team, a customer and so on. Pure."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal
from types import MappingProxyType
from urllib.parse import quote

import msgspec

from schema.fields import BudgetWindow, ModelBudget, dollars
from schema.limits import COUNTS, Holder, Meter, Rule
from schema.money import NANO_PER_USD
from schema.overlay import model_rates
from schema.window import check_duration


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a governed row that are budgets and limits. Sums are in dollars; `tpm_limit` and
    `rpm_limit` are for a minute, `tpd_limit` is for a day."""

    max_budget: Decimal | None = None
    budget_duration: str | None = None
    max_parallel_requests: int | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    tpd_limit: int | None = None
    model_max_budget: dict[str, ModelBudget] | None = None
    budget_limits: list[BudgetWindow] | None = None


class Increase(msgspec.Struct, frozen=True, kw_only=True):
    """A temporary increase of a budget."""

    amount: Decimal
    """In dollars."""
    until_s: float
    """In seconds since 1970."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of budgets and limits, and its names."""

    kind: str
    """`key`, `user`, `team`, `member`, `organization`, `customer`, `end_user` (a customer under the budget
    that a key gives its customers) or `global`."""
    who: str
    """LiteLLM's word for the owner in headers and errors: `api_key`, `team`."""
    subject: str
    """What a message calls the owner: `team platform`."""
    id: str = ""
    part: str = ""
    """The user, where the owner is a member of a team. The key's budget, where it is an `end_user`."""
    topics: tuple[str, ...] = ()
    """The rows that the limits were read from, as their changes are announced: `team:platform`."""
    own: bool = False
    """Whether the owner has no row: then the account itself says how much money was spent."""

    @property
    def account(self) -> str:
        """The owner's part of an account's name, such as `team:platform`. Ids are quoted, so that two owners
        never get the same name. The name is the same before and after the owner gets a row."""
        names = [self.kind, *(quote(name, safe="@ ") for name in (self.id, self.part) if name)]
        return ":".join(names)

    @property
    def holder(self) -> Holder:
        return Holder() if self.own or self.kind == "global" else Holder(self.kind, self.id, self.part)


def money_rules(level: Level, limits: Limits, increase: Increase | None = None) -> Iterator[Rule]:
    """The rules about money of one owner: the budget, the budgets by window, and the budgets of single
    models. Raises InvalidRequest for a bad sum or duration: SQL can write what the API refuses."""
    if limits.max_budget is not None:
        yield Rule(
            account=f"money:{level.account}",
            meter=Meter.MONEY,
            who=level.who,
            subject=level.subject,
            limit=nano(limits.max_budget),
            duration=_duration(limits.budget_duration),
            holder=level.holder,
            topics=level.topics,
            extra=0 if increase is None else nano(increase.amount),
            extra_until=0.0 if increase is None else increase.until_s,
        )
    for duration, limit in _windows(limits).items():
        yield Rule(
            account=f"money:{level.account}:window:{duration}",
            meter=Meter.MONEY,
            who=level.who,
            subject=f"{level.subject} per {duration}",
            limit=limit,
            duration=duration,
            topics=level.topics,
        )
    for model, budget in (limits.model_max_budget or {}).items():
        if budget.dollars is not None:
            yield Rule(
                account=f"money:{level.account}:model:{quote(model, safe='')}",
                meter=Meter.MONEY,
                who=f"model_per_{level.kind}",
                subject=f"{level.subject} on {model}",
                limit=nano(budget.dollars),
                duration=_duration(budget.duration),
                model=model,
                topics=level.topics,
            )


def _windows(limits: Limits) -> dict[str, int]:
    """The budgets by window, by their lengths. An account has one limit: of two of the same length, which SQL
    alone can write, the smaller one."""
    found: dict[str, int] = {}
    for each in limits.budget_limits or ():
        duration, limit = check_duration(each.budget_duration, param="budget_limits"), nano(each.max_budget)
        found[duration] = min(limit, found.get(duration, limit))
    return found


def rate_rules(
    level: Level,
    limits: Limits,
    model_rpm: Mapping[str, int] | None = None,
    model_tpm: Mapping[str, int] | None = None,
) -> Iterator[Rule]:
    """The limits of one owner on requests, tokens and calls at once, for all models and for single models."""
    for name, meter in COUNTS.items():
        limit = getattr(limits, name)
        if limit is not None:
            yield _rate(level, meter, limit)
    requests, tokens = model_rates(limits.model_max_budget, model_rpm, model_tpm)
    for meter, by_model in ((Meter.REQUESTS, requests), (Meter.TOKENS, tokens)):
        for model, limit in by_model.items():
            yield _rate(level, meter, limit, model)


def _rate(level: Level, meter: Meter, limit: int, model: str | None = None) -> Rule:
    suffix = "" if model is None else f":model:{quote(model, safe='')}"
    return Rule(
        account=f"{meter.value}:{level.account}{suffix}",
        meter=meter,
        who=level.who if model is None else f"model_per_{level.kind}",
        subject=level.subject if model is None else f"{level.subject} on {model}",
        limit=max(0, limit),
        duration=_RATE_WINDOWS.get(meter),
        model=model,
        topics=level.topics,
    )


_RATE_WINDOWS = MappingProxyType({Meter.REQUESTS: "1m", Meter.TOKENS: "1m", Meter.DAY_TOKENS: "1d"})


def nano(sum_usd: Decimal) -> int:
    """A budget in whole nano-USD, rounded down. Raises InvalidRequest for what can't be a budget, such as -5
    or NaN."""
    rounded = sum_usd.is_finite() and sum_usd > 0
    dollars(sum_usd.to_integral_value() if rounded else sum_usd, param="max_budget")
    return int((sum_usd * NANO_PER_USD).to_integral_value(rounding=ROUND_FLOOR))


def _duration(text: str | None) -> str | None:
    return check_duration(text, param="budget_duration") if text else None
