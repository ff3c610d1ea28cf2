"""The most that a key may be given: by the config, by the key that it is made with, and by the budget that an
admin put it under. The key is judged as it will be, whichever field or endpoint changes it.

Several keys under one ceiling are not added up: each may have all of it. The budget of their user, team or
team's member bounds their sum.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.contract.roles import Accesses, Reach, Scope
from functions.ports.governance import Keys
from functions.rules.key_ceiling import (
    TEAM_MODELS,
    KeyCeiling,
    check_within,
    limits_inside,
    rates_by_model,
    routes_of,
)
from schema.budgets import BudgetRecord
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict
from schema.fields import UNSET, ModelBudget
from schema.keys import KeyFields, KeyRecord
from schema.limits import COUNTS
from schema.metadata import MetadataChange
from schema.overlay import joined_budgets, joined_windows, overlaid
from schema.window import after, check_duration

CONFIG = "what this gateway's config allows"
MINTER = "what the key has that it is made with"


class KeyBounds:
    """The ceilings over the keys that one call makes or changes. For an admin, only the calling key is a
    ceiling."""

    def __init__(self, call: Call, keys: Keys, policy: Policy, accesses: Accesses) -> None:
        self._call = call
        self._keys = keys
        self._policy = policy
        self._accesses = accesses

    async def made(self, record: KeyRecord, *, for_ever: bool = False) -> KeyRecord:
        """A new key within its ceilings. A field that the key leaves out gets what the ceilings allow.
        `for_ever`: the key is not to expire. Raises NotAllowed."""
        shared = await self._budget(record.budget_id)
        for ceiling in await self._ceilings(record, shared):
            record = filled_up(record, ceiling, for_ever=for_ever)
            check_within(overlaid(record, shared), ceiling)
        return record

    async def changed(
        self, before: KeyRecord, changes: Mapping[str, object], *, shown: bool = False
    ) -> Callable[[KeyRecord], None]:
        """A check that takes the changed key as it will be, and raises NotAllowed or Conflict. It judges only
        what has to do with the changed columns. If the key is `shown` to a caller with another key, it judges
        the whole key against the caller's key, as for a new one. Raises NotAllowed where a key sets what it
        has spent itself."""
        if "spend" in changes and self._is_own(before):
            raise NotAllowed("spend: a key does not set what it has spent itself.", param="spend")
        touched = _touched(changes)
        budget_id = changes.get("budget_id", before.budget_id)
        was = await self._budget(before.budget_id)
        shared = was if budget_id == before.budget_id else await self._budget(budget_id)
        ceilings = await self._ceilings(before, was)
        whole = shown and not self._is_own(before)

        def check(record: KeyRecord) -> None:
            if record.budget_id != budget_id:
                raise Conflict("key: its budget was changed at the same time; send the request again.")
            for ceiling in ceilings:
                everything = whole and ceiling.source == MINTER
                check_within(overlaid(record, shared), ceiling, None if everything else touched)

        return check

    def _is_own(self, record: KeyRecord) -> bool:
        caller = self._call.caller
        return (record.key_id == caller.key_id) if caller.key_id else record.token == caller.key_hash

    async def _ceilings(self, record: KeyRecord, shared: BudgetRecord | None) -> list[KeyCeiling]:
        found = []
        own = await _minter(self._call, self._keys)
        if own is not None:
            own = overlaid(own, await self._budget(own.budget_id))
            found.append(_of_minter(own, self._call, self._accesses))
        elif routes := self._call.caller.allowed_routes:  # a token of another issuer may have some alone
            found.append(KeyCeiling(source=MINTER, allowed_routes=routes, accesses=self._accesses))
        if self._call.scope.everything:
            return found
        if self._policy.key_upper_bounds:
            assert record.created_at is not None, "a new key is stamped before it is judged"
            found.append(ceiling_of_config(self._policy, record.created_at))
        if shared is not None:
            found.append(_of_budget(shared))
        return found

    async def _budget(self, budget_id: object) -> BudgetRecord | None:
        return None if not isinstance(budget_id, str) else await self._keys.budget(budget_id)


def _touched(changes: Mapping[str, object]) -> set[str]:
    """The columns that a change names, and the limits inside its `metadata`."""
    metadata = changes.get("metadata")
    inside = metadata.limits if isinstance(metadata, MetadataChange) else []
    return {*changes, *inside}


def filled_up(record: KeyRecord, ceiling: KeyCeiling, *, for_ever: bool) -> KeyRecord:
    """A new key, with what the ceiling allows in the fields that the key leaves out."""
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
        given["allowed_routes"] = list(ceiling.allowed_routes)
    given["model_max_budget"] = joined_budgets(record.model_max_budget, ceiling.model_max_budget)
    given["budget_limits"] = joined_windows(record.budget_limits, ceiling.budget_limits)
    metadata, rates = dict(record.metadata), rates_by_model(record)
    for name, limits in ceiling.by_model.items():
        missing = {model: limit for model, limit in limits.items() if model not in rates[name]}
        if missing:
            inside = {**missing, **limits_inside(record.metadata, name)}
            metadata[name] = msgspec.Raw(msgspec.json.encode(inside))
    return msgspec.structs.replace(record, **given, metadata=metadata)


async def _minter(call: Call, keys: Keys) -> KeyRecord | None:
    """The virtual key that is calling. None: the caller has the master key, or no key. Raises NotAllowed
    where the key is gone."""
    if len(call.caller.key_hash) != 64:
        return None
    everything = msgspec.structs.replace(call, scope=Scope(reaches=frozenset({Reach.ALL})))
    own = await keys.page({"key_id": call.caller.key_id or call.caller.key_hash}, call=everything, size=1)
    if not own.records:
        raise NotAllowed("The key that you call with is gone.")
    return own.records[0]


def _of_minter(own: KeyRecord, call: Call, accesses: Accesses) -> KeyCeiling:
    """The ceiling of the calling key: its own limits, without a temporary increase. The increase ends, while
    a key that is made with it would keep it."""
    return KeyCeiling(
        source=MINTER,
        max_budget=own.max_budget,
        budget_duration=own.budget_duration if own.max_budget is not None else None,
        counts=_counts(own),
        expires=own.expires,
        models=tuple(name for each in call.caller.models if each.level == "key" for name in each.names),
        access_group_ids=tuple(own.access_group_ids),
        within_team=own.team_id if TEAM_MODELS in own.models else None,
        allowed_routes=call.caller.allowed_routes,
        accesses=accesses,
        model_max_budget=_sums(own.model_max_budget),
        budget_limits=tuple(own.budget_limits),
        by_model=rates_by_model(own),
    )


def ceiling_of_config(policy: Policy, created_at: datetime) -> KeyCeiling:
    """The ceiling of the config's `upperbound_key_generate_params`. A budget there without a duration has the
    duration of `default_key_generate_params`, else it is for ever. A lifetime counts from when the key was
    made, however often the key is renewed."""
    top = _fields(policy.key_upper_bounds, "upperbound_key_generate_params")
    usual = _fields(policy.key_defaults, "default_key_generate_params")
    lives, longest = top.duration or None, top.budget_duration or None
    window = longest or usual.budget_duration or None
    return KeyCeiling(
        source=CONFIG,
        max_budget=None if top.max_budget is UNSET else top.max_budget,
        budget_duration=check_duration(window, param="budget_duration") if window else None,
        longest_window=check_duration(longest, param="budget_duration") if longest else None,
        counts=_counts(top),
        expires=after(created_at, lives, param="duration") if lives else None,
    )


def _fields(fields: Mapping[str, msgspec.Raw], setting: str) -> KeyFields:
    try:
        return msgspec.json.decode(msgspec.json.encode(dict(fields)), type=KeyFields)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"{setting} in the config: {exc}") from exc


def _of_budget(budget: BudgetRecord) -> KeyCeiling:
    """The ceiling of the budget that an admin put a key under. A limit of the key itself counts in place of
    the budget's, so it must not be higher."""
    return KeyCeiling(
        source=f"what its budget {budget.budget_id} allows",
        max_budget=budget.max_budget,
        budget_duration=budget.budget_duration if budget.max_budget is not None else None,
        counts=_counts(budget),
        model_max_budget=_sums(budget.model_max_budget),
        budget_limits=tuple(budget.budget_limits),
        by_model=rates_by_model(budget),
    )


def _counts(source: KeyRecord | BudgetRecord | KeyFields) -> dict[str, int]:
    return {name: value for name in COUNTS if (value := getattr(source, name)) not in (UNSET, None)}


def _sums(budgets: Mapping[str, ModelBudget]) -> dict[str, ModelBudget]:
    """Budgets by model without their limits on requests and tokens."""
    return {
        model: ModelBudget(max_budget=each.dollars, budget_duration=each.duration)
        for model, each in budgets.items()
        if each.dollars is not None
    }
