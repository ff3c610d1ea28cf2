"""The limits of a row joined with those of the budget that the row names. They are enforced, and changes of
them are judged, as if all of them stood in the row."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from schema.fields import BudgetWindow, ModelBudget
from schema.limits import COUNTS

SUM = ("max_budget", "budget_duration")

R = TypeVar("R", bound=msgspec.Struct)


def overlaid(own: R, shared: msgspec.Struct | None) -> R:
    """The row, with a limit of the budget that it names wherever the row has none itself. Both have the
    columns of `LimitFields`. A sum and its duration are taken together from one of the two: a row's duration
    without a sum does not count. The budgets of each model and each window are joined one by one."""
    if shared is None:
        return own
    given = {name: getattr(shared, name) for name in COUNTS if getattr(own, name) is None}
    if getattr(own, SUM[0]) is None:
        given |= {name: getattr(shared, name) for name in SUM}
    for name, joined in _PARTS:
        given[name] = joined(getattr(own, name), getattr(shared, name))
    return msgspec.structs.replace(own, **given)


def model_rates(
    budgets: Mapping[str, ModelBudget] | None,
    requests: Mapping[str, int] | None,
    tokens: Mapping[str, int] | None,
) -> tuple[dict[str, int], dict[str, int]]:
    """The limits on requests and tokens a minute, by model. They stand in two places: `metadata` counts
    first, and `model_max_budget` for the models that `metadata` does not name."""
    of_requests, of_tokens = dict(requests or {}), dict(tokens or {})
    for model, budget in (budgets or {}).items():
        if budget.rpm_limit is not None:
            of_requests.setdefault(model, budget.rpm_limit)
        if budget.tpm_limit is not None:
            of_tokens.setdefault(model, budget.tpm_limit)
    return of_requests, of_tokens


def joined_budgets(
    own: Mapping[str, ModelBudget] | None, shared: Mapping[str, ModelBudget] | None
) -> dict[str, ModelBudget]:
    """The budgets of both, by model. A limit of the shared budget counts where the row has none for the
    model."""
    found = dict(own or {})
    for model, theirs in (shared or {}).items():
        mine = found.get(model, theirs)
        money = theirs if mine.dollars is None else mine
        found[model] = ModelBudget(
            max_budget=money.dollars,
            budget_duration=money.duration,
            tpm_limit=theirs.tpm_limit if mine.tpm_limit is None else mine.tpm_limit,
            rpm_limit=theirs.rpm_limit if mine.rpm_limit is None else mine.rpm_limit,
        )
    return found


def joined_windows(
    own: Sequence[BudgetWindow] | None, shared: Sequence[BudgetWindow] | None
) -> list[BudgetWindow]:
    """The windows of both. A window of the shared budget is left out where the row has one of the same
    length."""
    lengths = {each.budget_duration for each in own or ()}
    return [*(own or ()), *(each for each in shared or () if each.budget_duration not in lengths)]


_PARTS = (("model_max_budget", joined_budgets), ("budget_limits", joined_windows))
