"""The most that a key may be given, and whether a key is within it. Pure.

A value that SQL or another program wrote may be unreadable. It counts neither as a limit nor as no limit: the
request is refused, with the name of the field.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from functions.contract.roles import ROUTE_GROUPS, ROUTES_OF_TYPE, Accesses
from models_registry.model_names import permits
from schema.budgets import BudgetRecord
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.fields import BudgetWindow, Json, ModelBudget
from schema.keys import KeyRecord
from schema.limits import COUNTS
from schema.overlay import model_rates
from schema.window import check_duration, normal, windows_a_day

BY_MODEL = ("model_rpm_limit", "model_tpm_limit")
"""Limits by model: in `metadata`, or in `model_max_budget`."""
TEAM_MODELS = "all-team-models"


class KeyCeiling(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a key may be given. A field that is None or empty bounds nothing."""

    source: str
    """What a refusal names as exceeded, such as `what this gateway's config allows`."""
    max_budget: Decimal | None = None
    budget_duration: str | None = None
    longest_window: str | None = None
    """The longest `budget_duration` that a key may have, whatever its budget."""
    counts: Mapping[str, int] = {}
    """The most that each field of COUNTS may say."""
    expires: datetime | None = None
    models: tuple[str, ...] = ()
    access_group_ids: tuple[str, ...] = ()
    within_team: str | None = None
    """The team whose models the key is limited to."""
    allowed_routes: tuple[str, ...] = ()
    accesses: Accesses = {}
    """The kinds of access that each path needs. They tell which paths a group of paths covers."""
    model_max_budget: Mapping[str, ModelBudget] = {}
    """Budgets by model, without limits on requests and tokens."""
    budget_limits: tuple[BudgetWindow, ...] = ()
    by_model: Mapping[str, Mapping[str, int]] = {}
    """The most that each field of BY_MODEL may say, by the field and the model."""


def check_within(record: KeyRecord, ceiling: KeyCeiling, touched: Collection[str] | None = None) -> None:
    """Check that a key is within a ceiling. `touched`: only rules that have to do with these columns are
    checked. None: all rules are. Raises NotAllowed, which names the field, the value and what is allowed."""
    for columns, check in CHECKS:
        if touched is None or not columns.isdisjoint(touched):
            check(record, ceiling)


def _check_budget(record: KeyRecord, ceiling: KeyCeiling) -> None:
    """Check `max_budget` together with a temporary increase, over the window: 5 dollars a day are above 100 a
    month."""
    allowed = MoneyLimit(ceiling.max_budget, ceiling.budget_duration)
    if allowed.dollars is None:
        return
    most = _most(record)
    found = _beyond_sum(MoneyLimit(most, record.budget_duration), allowed)
    if found is not None:
        name = found.name
        if name == "max_budget" and most != record.max_budget:
            name = "temp_budget_increase"
        raise _beyond(name, found.value, found.allowed, ceiling)


class MoneyLimit(NamedTuple):
    dollars: Decimal | None
    duration: str | None
    """None: for ever."""


class Beyond(NamedTuple):
    name: str
    value: object
    allowed: object


def _beyond_sum(mine: MoneyLimit, allowed: MoneyLimit) -> Beyond | None:
    """The field by which a budget is above another one. None: it is not above. Raises InvalidRequest for a
    value that can't be read."""
    most, top = _sum(mine.dollars), _sum(allowed.dollars)
    if top is None:
        return None
    if most is None or most > top:
        return Beyond("max_budget", most, top)
    every, of = _duration(mine.duration), _duration(allowed.duration)
    if every is None or (of is not None and normal(every) == normal(of)):
        return None
    if of is None:
        return Beyond("budget_duration", f"{most} every {every}", f"{top} for ever")
    if most * _per(windows_a_day(every)[1]) > top * _per(windows_a_day(of)[0]):
        return Beyond("budget_duration", f"{most} every {every}", f"{top} every {of}")
    return None


def _check_window(record: KeyRecord, ceiling: KeyCeiling) -> None:
    """Check the duration of the budget alone, as LiteLLM does: a longer one is above the ceiling."""
    if ceiling.longest_window is None:
        return
    mine, theirs = _duration(record.budget_duration), _duration(ceiling.longest_window)
    if mine is None or theirs is None or normal(mine) == normal(theirs):
        return
    if windows_a_day(mine)[0] < windows_a_day(theirs)[0]:
        raise _beyond("budget_duration", mine, theirs, ceiling)


def _check_counts(record: KeyRecord, ceiling: KeyCeiling) -> None:
    for name, allowed in ceiling.counts.items():
        value = getattr(record, name)
        if value is None or value > allowed:
            raise _beyond(name, value, allowed, ceiling)


def _check_expiry(record: KeyRecord, ceiling: KeyCeiling) -> None:
    allowed = ceiling.expires
    if allowed is not None and (record.expires is None or record.expires > allowed):
        ends = None if record.expires is None else f"{record.expires:%Y-%m-%d %H:%M:%S} UTC"
        raise _beyond("duration", ends, f"until {allowed:%Y-%m-%d %H:%M:%S} UTC", ceiling)


def _check_models(record: KeyRecord, ceiling: KeyCeiling) -> None:
    if ceiling.within_team is not None and record.team_id != ceiling.within_team:
        raise _beyond("team_id", record.team_id, f"models of team {ceiling.within_team}", ceiling)
    if not ceiling.models and not ceiling.access_group_ids:
        return
    names = [name for name in record.models if name != TEAM_MODELS]
    beyond = [name for name in names if not permits(ceiling.models, name)]
    if beyond:
        raise _beyond("models", beyond[0], ", ".join(ceiling.models[:20]), ceiling)
    groups = [each for each in record.access_group_ids if each not in ceiling.access_group_ids]
    if groups:
        raise _beyond("access_group_ids", groups[0], ", ".join(ceiling.access_group_ids[:20]), ceiling)
    if TEAM_MODELS in record.models or not (names or record.access_group_ids):
        raise _beyond("models", "all", ", ".join(ceiling.models[:20]), ceiling)


def _check_routes(record: KeyRecord, ceiling: KeyCeiling) -> None:
    if not ceiling.allowed_routes:
        return
    routes = routes_of(record)
    beyond = [route for route in routes if not _covered(route, ceiling)]
    if beyond or not routes:
        name = "key_type" if beyond and beyond[0] not in record.allowed_routes else "allowed_routes"
        raise _beyond(name, beyond[0] if beyond else "all", ", ".join(ceiling.allowed_routes[:20]), ceiling)


def _check_model_budgets(record: KeyRecord, ceiling: KeyCeiling) -> None:
    for model, allowed in ceiling.model_max_budget.items():
        mine, name = record.model_max_budget.get(model, ModelBudget()), f"model_max_budget.{model}"
        found = _beyond_sum(
            MoneyLimit(mine.dollars, mine.duration), MoneyLimit(allowed.dollars, allowed.duration)
        )
        if found is not None:
            beyond = _beyond(f"{name}.{found.name}", found.value, found.allowed, ceiling)
            raise NotAllowed(beyond.message, param=name)


def _check_windows(record: KeyRecord, ceiling: KeyCeiling) -> None:
    """Check that the key has each of the ceiling's windows, with no larger budget in it."""
    if not ceiling.budget_limits:
        return
    mine = [(_duration(each.budget_duration), _sum(each.max_budget)) for each in record.budget_limits]
    for window in ceiling.budget_limits:
        duration, top = _duration(window.budget_duration), _sum(window.max_budget)
        if duration is None or top is None:
            continue
        same = [usd for every, usd in mine if every and usd is not None and normal(every) == normal(duration)]
        if not same or min(same) > top:
            value = min(same) if same else None
            raise _beyond("budget_limits", value, f"{top} every {duration}", ceiling)


def _check_by_model(record: KeyRecord, ceiling: KeyCeiling) -> None:
    if not any(ceiling.by_model.values()):
        return
    mine = rates_by_model(record)
    for name, limits in ceiling.by_model.items():
        for model, allowed in limits.items():
            value = mine[name].get(model)
            if value is None or value > allowed:
                raise _beyond(f"{name}.{model}", value, allowed, ceiling)


BUDGET = frozenset(
    {"max_budget", "budget_duration", "budget_id", "temp_budget_increase", "temp_budget_expiry"}
)
CHECKS: tuple[tuple[frozenset[str], Callable[[KeyRecord, KeyCeiling], None]], ...] = (
    (BUDGET, _check_budget),
    (BUDGET, _check_window),
    (frozenset({*COUNTS, "budget_id"}), _check_counts),
    (frozenset({"expires"}), _check_expiry),
    (frozenset({"models", "access_group_ids", "team_id"}), _check_models),
    (frozenset({"allowed_routes", "key_type"}), _check_routes),
    (frozenset({"model_max_budget", "budget_id"}), _check_model_budgets),
    (frozenset({"budget_limits", "budget_id"}), _check_windows),
    (frozenset({*BY_MODEL, "model_max_budget", "budget_id"}), _check_by_model),
)
"""The rules, each with the columns that it has to do with."""


def routes_of(record: KeyRecord) -> tuple[str, ...]:
    """The paths and groups of paths that a key is limited to. Empty: all paths that its role may call."""
    return (*record.allowed_routes, *ROUTES_OF_TYPE.get(record.key_type or "", ()))


def _covered(route: str, ceiling: KeyCeiling) -> bool:
    """Whether the ceiling's paths and groups open all that `route` opens. No group covers a path that ends in
    `*`, since it also opens paths that do not exist yet."""
    routes = ceiling.allowed_routes
    if route in routes:
        return True
    needed = ROUTE_GROUPS.get(route) or ceiling.accesses.get(route)
    opened = frozenset().union(*(ROUTE_GROUPS.get(each, frozenset()) for each in routes))
    if needed and needed <= opened:
        return True
    return route not in ROUTE_GROUPS and any(
        each.endswith("*") and route.startswith(each[:-1]) for each in routes
    )


def rates_by_model(record: KeyRecord | BudgetRecord) -> dict[str, dict[str, int]]:
    """The limits of BY_MODEL that are in force, by the field and the model. Raises InvalidRequest for a
    limit that can't be read."""
    metadata = record.metadata if isinstance(record, KeyRecord) else {}
    inside = (limits_inside(metadata, name) for name in BY_MODEL)
    return dict(zip(BY_MODEL, model_rates(record.model_max_budget, *inside), strict=True))


def limits_inside(metadata: Json, name: str) -> dict[str, int]:
    """A limit by model that stands in `metadata`. Raises InvalidRequest for a value that can't be read."""
    try:
        return msgspec.json.decode(metadata.get(name, b"{}"), type=dict[str, int] | None) or {}
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"{name}: what the key has there is no limit by model.", param=name) from exc


def _most(record: KeyRecord) -> Decimal | None:
    """The most dollars that the budget can be: with its temporary increase, whenever that ends. None: no
    budget."""
    if record.max_budget is None:
        return None
    name = "temp_budget_increase"
    try:
        increase = msgspec.json.decode(record.metadata.get(name, b"null"), type=Decimal | None)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"{name}: what the key has there is no sum of dollars.", param=name) from exc
    return record.max_budget + (_sum(increase, name) or 0)


def _sum(dollars: Decimal | None, name: str = "max_budget") -> Decimal | None:
    if dollars is not None and not dollars.is_finite():
        raise InvalidRequest(f"{name}: {dollars} is no sum of dollars.", param=name)
    return dollars


def _duration(text: str | None) -> str | None:
    return check_duration(text, param="budget_duration") if text else None


def _per(windows: Fraction) -> Decimal:
    return Decimal(windows.numerator) / Decimal(windows.denominator)


def _beyond(name: str, value: object, allowed: object, ceiling: KeyCeiling) -> NotAllowed:
    found = "no limit" if value is None else value
    return NotAllowed(f"{name}: {found} is above {ceiling.source} ({allowed}).", param=name)
