"""How much a key may be given at most: by the config, by the key that it is made with, and by the budget that
an admin put it under. Judged on the key as it will be, whatever field or door says so.

Several keys under one bound are not pooled: each may have all of it. What bounds their sum is the budget of
their user, team or team's member.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from functions.call import Call
from functions.governance_ports import Keys
from functions.policy import Policy
from functions.roles import ROUTE_GROUPS, ROUTES_OF_TYPE, Reach, Scope
from models_registry.registry import permits
from schema.budgets import BudgetRecord
from schema.duration import after
from schema.errors import NotAllowed
from schema.governance import UNSET, BudgetWindow, Json, MetadataChange, ModelBudget
from schema.keys import KeyFields, KeyRecord
from schema.window import check_duration, windows_a_day

COUNTS = ("tpm_limit", "rpm_limit", "tpd_limit", "max_parallel_requests")
BY_MODEL = ("model_rpm_limit", "model_tpm_limit")
"""Limits by model that stand in `metadata`."""
TEAM_MODELS = "all-team-models"
CONFIG = "what this gateway's config allows"
MINTER = "what the key has that it is made with"


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """The most a key may be given. Nothing, None and empty: no bound."""

    source: str
    """What a refusal says is exceeded."""
    max_budget: Decimal | None = None
    budget_duration: str | None = None
    longest_window: str | None = None
    """Of `budget_duration`, whatever the budget."""
    counts: Mapping[str, int] = {}
    """Of COUNTS."""
    expires: datetime | None = None
    models: tuple[str, ...] = ()
    access_group_ids: tuple[str, ...] = ()
    within_team: str | None = None
    """The team whose models it is limited to."""
    routes: tuple[str, ...] = ()
    model_max_budget: Mapping[str, ModelBudget] = {}
    budget_limits: tuple[BudgetWindow, ...] = ()
    by_model: Mapping[str, Mapping[str, int]] = {}
    """Of BY_MODEL."""


class Bounds:
    """What bounds the keys that one call makes or changes. An admin is bound by its own key alone."""

    def __init__(self, call: Call, keys: Keys, policy: Policy) -> None:
        self._call = call
        self._keys = keys
        self._policy = policy

    async def made(self, record: KeyRecord, *, for_ever: bool = False) -> KeyRecord:
        """A new key within its ceilings: what it does not say is what they allow. `for_ever` says that it is
        not to expire. Raises NotAllowed."""
        shared = await self._budget(record.budget_id)
        for ceiling in await self._ceilings(record, shared):
            record = _filled(record, ceiling, for_ever=for_ever)
            check_within(_under(record, shared), ceiling)
        return record

    async def changed(
        self, before: KeyRecord, changes: Mapping[str, object], *, shown: bool = False
    ) -> Callable[[KeyRecord], None]:
        """What refuses a changed key, given as it will be. Only what has to do with the changed columns
        counts, unless the key is `shown` to whoever changes it, which is as good as made."""
        touched = None if shown else _touched(changes)
        budget_id = changes.get("budget_id", before.budget_id)
        shared = await self._budget(budget_id if isinstance(budget_id, str) else None)
        ceilings = await self._ceilings(before, shared)

        def check(record: KeyRecord) -> None:
            for ceiling in ceilings:
                check_within(_under(record, shared), ceiling, touched)

        return check

    async def _ceilings(self, record: KeyRecord, shared: BudgetRecord | None) -> list[Ceiling]:
        found = []
        own = await _minter(self._call, self._keys)
        if own is not None:
            found.append(_of_minter(_under(own, await self._budget(own.budget_id)), self._call))
        if self._call.scope.everything:
            return found
        if self._policy.key_upper_bounds:
            assert record.created_at is not None, "a new key is stamped before it is judged"
            found.append(_of_config(self._policy, record.created_at))
        if shared is not None:
            found.append(_of_budget(shared))
        return found

    async def _budget(self, budget_id: str | None) -> BudgetRecord | None:
        return None if budget_id is None else await self._keys.budget(budget_id)


def _touched(changes: Mapping[str, object]) -> set[str]:
    """The columns that a change names, and the limits inside its `metadata`."""
    metadata = changes.get("metadata")
    inside = metadata.limits if isinstance(metadata, MetadataChange) else []
    return {*changes, *inside}


def check_within(record: KeyRecord, ceiling: Ceiling, touched: Collection[str] | None = None) -> None:
    """Raises NotAllowed, naming the field, the value and what is allowed. `touched`: only what has to do with
    these columns; None: everything."""
    for columns, check in CHECKS:
        if touched is None or not columns.isdisjoint(touched):
            check(record, ceiling)


def _check_budget(record: KeyRecord, ceiling: Ceiling) -> None:
    """`max_budget` and a temporary increase together, over the window: 5 a day are beyond 100 a month."""
    most, allowed = _most(record), ceiling.max_budget
    if allowed is None:
        return
    if most is None:
        raise _beyond("max_budget", None, allowed, ceiling)
    if most > allowed:
        name = "max_budget" if record.max_budget == most else "temp_budget_increase"
        raise _beyond(name, most, allowed, ceiling)
    mine, theirs = record.budget_duration, ceiling.budget_duration
    if mine is None or mine == theirs:
        return
    if theirs is None:
        raise _beyond("budget_duration", f"{most} every {mine}", f"{allowed} for ever", ceiling)
    if most * _per(windows_a_day(mine)[1]) > allowed * _per(windows_a_day(theirs)[0]):
        raise _beyond("budget_duration", f"{most} every {mine}", f"{allowed} every {theirs}", ceiling)


def _check_window(record: KeyRecord, ceiling: Ceiling) -> None:
    """A bound of the duration alone, as LiteLLM has it: a longer one is above it."""
    mine, theirs = record.budget_duration, ceiling.longest_window
    if mine is None or theirs is None or mine == theirs:
        return
    if windows_a_day(mine)[0] < windows_a_day(theirs)[0]:
        raise _beyond("budget_duration", mine, theirs, ceiling)


def _check_counts(record: KeyRecord, ceiling: Ceiling) -> None:
    for name, allowed in ceiling.counts.items():
        value = getattr(record, name)
        if value is None or value > allowed:
            raise _beyond(name, value, allowed, ceiling)


def _check_expiry(record: KeyRecord, ceiling: Ceiling) -> None:
    allowed = ceiling.expires
    if allowed is not None and (record.expires is None or record.expires > allowed):
        ends = None if record.expires is None else f"{record.expires:%Y-%m-%d %H:%M:%S} UTC"
        raise _beyond("duration", ends, f"until {allowed:%Y-%m-%d %H:%M:%S} UTC", ceiling)


def _check_models(record: KeyRecord, ceiling: Ceiling) -> None:
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


def _check_routes(record: KeyRecord, ceiling: Ceiling) -> None:
    if not ceiling.routes:
        return
    routes = routes_of(record)
    beyond = [route for route in routes if not _covered(route, ceiling.routes)]
    if beyond or not routes:
        name = "key_type" if beyond and beyond[0] not in record.allowed_routes else "allowed_routes"
        raise _beyond(name, beyond[0] if beyond else "all", ", ".join(ceiling.routes[:20]), ceiling)


def _check_model_budgets(record: KeyRecord, ceiling: Ceiling) -> None:
    for model, allowed in ceiling.model_max_budget.items():
        mine, name = record.model_max_budget.get(model, ModelBudget()), f"model_max_budget.{model}"
        if allowed.dollars is not None:
            part = KeyRecord(token="", max_budget=mine.dollars, budget_duration=mine.duration)
            whole = Ceiling(
                source=ceiling.source, max_budget=allowed.dollars, budget_duration=allowed.duration
            )
            try:
                _check_budget(part, whole)
            except NotAllowed as exc:
                raise NotAllowed(f"{name}.{exc.message}", param=name) from exc
        for limit in ("tpm_limit", "rpm_limit"):
            top, value = getattr(allowed, limit), getattr(mine, limit)
            if top is not None and (value is None or value > top):
                raise _beyond(f"{name}.{limit}", value, top, ceiling)


def _check_windows(record: KeyRecord, ceiling: Ceiling) -> None:
    """Each of the ceiling's windows is there, with no more in it."""
    mine = {each.budget_duration: each.max_budget for each in record.budget_limits}
    for window in ceiling.budget_limits:
        value = mine.get(window.budget_duration)
        if value is None or value > window.max_budget:
            said = f"{window.max_budget} every {window.budget_duration}"
            raise _beyond("budget_limits", value, said, ceiling)


def _check_by_model(record: KeyRecord, ceiling: Ceiling) -> None:
    for name, limits in ceiling.by_model.items():
        mine = _inside(record.metadata, name)
        for model, allowed in limits.items():
            value = mine.get(model)
            if value is None or value > allowed:
                raise _beyond(f"{name}.{model}", value, allowed, ceiling)


BUDGET = frozenset(
    {"max_budget", "budget_duration", "budget_id", "temp_budget_increase", "temp_budget_expiry"}
)
CHECKS: tuple[tuple[frozenset[str], Callable[[KeyRecord, Ceiling], None]], ...] = (
    (BUDGET, _check_budget),
    (BUDGET, _check_window),
    (frozenset({*COUNTS, "budget_id"}), _check_counts),
    (frozenset({"expires"}), _check_expiry),
    (frozenset({"models", "access_group_ids", "team_id"}), _check_models),
    (frozenset({"allowed_routes", "key_type"}), _check_routes),
    (frozenset({"model_max_budget"}), _check_model_budgets),
    (frozenset({"budget_limits"}), _check_windows),
    (frozenset(BY_MODEL), _check_by_model),
)
"""By the columns that each has to do with."""


def routes_of(record: KeyRecord) -> tuple[str, ...]:
    """The paths and groups of paths that a key is limited to; none: all that its role may."""
    return (*record.allowed_routes, *ROUTES_OF_TYPE.get(record.key_type or "", ()))


def _covered(route: str, routes: Collection[str]) -> bool:
    """Is all that a route opens open by one of these?"""
    if route in routes:
        return True
    group = ROUTE_GROUPS.get(route)
    if group is not None:
        opened = frozenset().union(*(ROUTE_GROUPS.get(each, frozenset()) for each in routes))
        return group <= opened
    return any(each.endswith("*") and route.startswith(each[:-1]) for each in routes)


def _filled(record: KeyRecord, ceiling: Ceiling, *, for_ever: bool) -> KeyRecord:
    """A new key with what the ceiling allows where it says nothing."""
    given: dict[str, object] = {}
    if record.max_budget is None and ceiling.max_budget is not None:
        given["max_budget"] = ceiling.max_budget
    if record.budget_duration is None and ceiling.budget_duration is not None:
        given["budget_duration"] = ceiling.budget_duration
    for name, allowed in ceiling.counts.items():
        if getattr(record, name) is None:
            given[name] = allowed
    if record.expires is None and not for_ever:
        given["expires"] = ceiling.expires
    if not record.models and not record.access_group_ids:
        given["models"] = [TEAM_MODELS] if ceiling.within_team else list(ceiling.models)
        given["access_group_ids"] = list(ceiling.access_group_ids)
    if not routes_of(record):
        given["allowed_routes"] = list(ceiling.routes)
    missing = {m: each for m, each in ceiling.model_max_budget.items() if m not in record.model_max_budget}
    given["model_max_budget"] = {**record.model_max_budget, **missing}
    durations = {each.budget_duration for each in record.budget_limits}
    more = [each for each in ceiling.budget_limits if each.budget_duration not in durations]
    given["budget_limits"] = [*record.budget_limits, *more]
    inside = {
        name: msgspec.Raw(msgspec.json.encode({**limits, **_inside(record.metadata, name)}))
        for name, limits in ceiling.by_model.items()
    }
    return msgspec.structs.replace(record, **given, metadata={**record.metadata, **inside})


async def _minter(call: Call, keys: Keys) -> KeyRecord | None:
    """The virtual key that is calling; None for the master key, and for whoever has none."""
    if len(call.caller.key_hash) != 64:
        return None
    everything = msgspec.structs.replace(call, scope=Scope(reaches=frozenset({Reach.ALL})))
    own = await keys.page({"key_id": call.caller.key_id or call.caller.key_hash}, call=everything, size=1)
    if not own.records:
        raise NotAllowed("The key that you call with is gone.")
    return own.records[0]


def _of_minter(own: KeyRecord, call: Call) -> Ceiling:
    """Its own limits, without a temporary increase: that ends, and what is made with the key does not."""
    return Ceiling(
        source=MINTER,
        max_budget=own.max_budget,
        budget_duration=own.budget_duration if own.max_budget is not None else None,
        counts=_counts(own),
        expires=own.expires,
        models=tuple(name for each in call.caller.models if each.level == "key" for name in each.names),
        access_group_ids=tuple(own.access_group_ids),
        within_team=own.team_id if TEAM_MODELS in own.models else None,
        routes=call.caller.routes,
        model_max_budget=own.model_max_budget,
        budget_limits=tuple(own.budget_limits),
        by_model={name: found for name in BY_MODEL if (found := _inside(own.metadata, name))},
    )


def _of_config(policy: Policy, created_at: datetime) -> Ceiling:
    """`upperbound_key_generate_params`. A budget without a duration there has that of
    `default_key_generate_params`, else it is for ever. A lifetime counts from when the key was made, however
    often it is renewed."""
    top, usual = (
        msgspec.json.decode(msgspec.json.encode(dict(fields)), type=KeyFields)
        for fields in (policy.key_upper_bounds, policy.key_defaults)
    )
    lives, longest = top.duration or None, top.budget_duration or None
    window = longest or usual.budget_duration or None
    return Ceiling(
        source=CONFIG,
        max_budget=None if top.max_budget is UNSET else top.max_budget,
        budget_duration=check_duration(window, param="budget_duration") if window else None,
        longest_window=check_duration(longest, param="budget_duration") if longest else None,
        counts=_counts(top),
        expires=after(created_at, lives, param="duration") if lives else None,
    )


def _of_budget(budget: BudgetRecord) -> Ceiling:
    """The budget that an admin put a key under: what a key says itself counts in its place."""
    return Ceiling(
        source=f"what its budget {budget.budget_id} allows",
        max_budget=budget.max_budget,
        budget_duration=budget.budget_duration if budget.max_budget is not None else None,
        counts=_counts(budget),
    )


def _under(record: KeyRecord, shared: BudgetRecord | None) -> KeyRecord:
    """The key with the limits of the budget it names, where it has none itself; as `runtime/rules.py` has
    it."""
    if shared is None:
        return record
    given = {
        name: getattr(shared, name)
        for name in ("max_budget", *COUNTS, "model_max_budget", "budget_limits")
        if getattr(record, name) in (None, {}, [])
    }
    if record.max_budget is None:
        given["budget_duration"] = shared.budget_duration
    return msgspec.structs.replace(record, **given)


def _counts(source: KeyRecord | BudgetRecord | KeyFields) -> dict[str, int]:
    return {name: value for name in COUNTS if (value := getattr(source, name)) not in (UNSET, None)}


def _most(record: KeyRecord) -> Decimal | None:
    """What the budget can be, with its temporary increase, whenever that ends."""
    if record.max_budget is None:
        return None
    increase = record.metadata.get("temp_budget_increase")
    return record.max_budget + (
        Decimal(0) if increase is None else msgspec.json.decode(increase, type=Decimal)
    )


def _inside(metadata: Json, name: str) -> dict[str, int]:
    """A limit by model that stands in `metadata`; none where SQL wrote something else there."""
    try:
        return msgspec.json.decode(metadata.get(name, b"{}"), type=dict[str, int] | None) or {}
    except msgspec.ValidationError:
        return {}


def _per(windows: object) -> Decimal:
    numerator, denominator = windows.as_integer_ratio()  # type: ignore[attr-defined]  # a Fraction
    return Decimal(numerator) / Decimal(denominator)


def _beyond(name: str, value: object, allowed: object, ceiling: Ceiling) -> NotAllowed:
    found = "no limit" if value is None else value
    return NotAllowed(f"{name}: {found} is above {ceiling.source} ({allowed}).", param=name)
