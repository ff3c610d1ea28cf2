"""What keys, users, teams and budgets share: names, limits, and how a change to them is read. A change is a
partial update: an absent field stays as it is, and null clears it."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from schema.errors.requests import InvalidRequest
from schema.limits import COUNTS, SUMS, Meter
from schema.window import check_duration, window
from schema.wire import Wire

MAX_DOLLARS = Decimal(10**9)
MAX_COUNT = 2**53
MAX_PARALLEL = 2**31 - 1
MAX_NAME_CHARS = 256
MAX_MODELS = 1_000
MAX_WINDOWS = 10
UNSET = msgspec.UNSET
MaybeText = str | msgspec.UnsetType | None
MaybeTexts = list[str] | msgspec.UnsetType | None
MaybeCount = int | msgspec.UnsetType | None
MaybeDollars = Decimal | msgspec.UnsetType | None
MaybeFlag = bool | msgspec.UnsetType | None
Json = dict[str, msgspec.Raw]
MaybeJson = Json | msgspec.UnsetType | None
R = TypeVar("R")
B = TypeVar("B", bound=Wire)


class ModelBudget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model's budget under `model_max_budget`. `budget_limit` and `time_period` are LiteLLM's
    other names of the first two."""

    max_budget: Decimal | None = None
    budget_duration: str | None = None
    budget_limit: Decimal | None = None
    time_period: str | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None

    @property
    def dollars(self) -> Decimal | None:
        return self.budget_limit if self.max_budget is None else self.max_budget

    @property
    def duration(self) -> str | None:
        return self.time_period if self.budget_duration is None else self.budget_duration


class BudgetWindow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of several budgets that hold at once: `max_budget` dollars in each window of `budget_duration`."""

    budget_duration: str
    max_budget: Decimal
    reset_at: datetime | None = None


class StampFields(msgspec.Struct, frozen=True, kw_only=True):
    """When a row was made and last changed, and by whom. The store fills these fields."""

    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None


class LimitFields(StampFields, frozen=True, kw_only=True):
    """The columns of `schema/tables/columns.py`, in a record. Dollars are exact."""

    max_budget: Decimal | None = None
    soft_budget: Decimal | None = None
    budget_duration: str | None = None
    budget_reset_at: datetime | None = None
    max_parallel_requests: int | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    tpd_limit: int | None = None
    model_max_budget: dict[str, ModelBudget] = {}
    budget_limits: list[BudgetWindow] = []


class LimitRequest(Wire, frozen=True, kw_only=True, dict=True):
    """The limits in a body that makes or changes something."""

    max_budget: MaybeDollars = UNSET
    soft_budget: MaybeDollars = UNSET
    budget_duration: MaybeText = UNSET
    max_parallel_requests: MaybeCount = UNSET
    tpm_limit: MaybeCount = UNSET
    rpm_limit: MaybeCount = UNSET
    tpd_limit: MaybeCount = UNSET
    model_max_budget: dict[str, ModelBudget] | msgspec.UnsetType | None = UNSET
    budget_limits: list[BudgetWindow] | msgspec.UnsetType | None = UNSET


class Page(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What a store gives: one page's records and how many there are in all."""

    records: list[R]
    total: int


def filled(request: B, defaults: Mapping[str, msgspec.Raw], setting: str) -> B:
    """The request with the config's fields where it has none. Raises InvalidRequest where the config's
    do not fit."""
    if not defaults:
        return request
    try:
        given = msgspec.json.decode(msgspec.json.encode(dict(defaults)), type=type(request))
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"{setting} in the config: {exc}") from exc
    absent = {
        name: getattr(given, name)
        for name in defaults
        if name in request.__struct_fields__ and getattr(request, name) is UNSET
    }
    return replaced(request, absent)


def replaced(request: B, fields: Mapping[str, object]) -> B:
    """The request with other values for these fields. Its raw fields stay."""
    made = msgspec.structs.replace(request, **fields)
    made.with_raw(request.raw)
    return made


def limit_changes(request: LimitRequest, now: datetime, zone: tzinfo) -> dict[str, object]:
    """The limit columns that a body sets, checked. `budget_reset_at` follows from the duration."""
    changes: dict[str, object] = {}
    for name in SUMS:
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = None if value is None else dollars(value, param=name)
    for name, meter in COUNTS.items():
        value = getattr(request, name)
        if value is not UNSET:
            top = MAX_PARALLEL if meter is Meter.PARALLEL else MAX_COUNT
            changes[name] = None if value is None else count(value, param=name, top=top)
    if request.budget_duration is not UNSET:
        changes["budget_duration"] = changes["budget_reset_at"] = None
        if request.budget_duration:
            duration = check_duration(request.budget_duration, param="budget_duration")
            changes["budget_duration"] = duration
            changes["budget_reset_at"] = window(now, duration, zone)[1]
    if request.model_max_budget is not UNSET:
        changes["model_max_budget"] = _model_budgets(request.model_max_budget or {})
    if request.budget_limits is not UNSET:
        changes["budget_limits"] = _windows(request.budget_limits or [])
    return changes


def dollars(value: Decimal, *, param: str) -> Decimal:
    """A sum that a budget can be: finite, zero or more, at most a thousand million, no finer than
    nano-dollars. Raises InvalidRequest."""
    if not value.is_finite() or not 0 <= value <= MAX_DOLLARS:
        raise InvalidRequest(f"{param}: expected dollars from 0 to {MAX_DOLLARS:,}.", param=param)
    if value != value.quantize(Decimal("1e-9")):
        raise InvalidRequest(f"{param}: expected at most nine decimal places.", param=param)
    return value.quantize(Decimal("1e-9")).normalize() + 0


def count(value: int, *, param: str, top: int = MAX_COUNT) -> int:
    """A count that a limit can be: 0 to `top`. Raises InvalidRequest."""
    if not 0 <= value <= top:
        raise InvalidRequest(f"{param}: expected a whole number from 0 to {top}.", param=param)
    return value


def text(value: str, *, param: str) -> str:
    """A name or id. Raises InvalidRequest where it is empty, too long or holds a control character."""
    if not 0 < len(value) <= MAX_NAME_CHARS or any(ord(char) < 32 for char in value):
        raise InvalidRequest(
            f"{param}: expected 1 to {MAX_NAME_CHARS} characters, none of them a control character.",
            param=param,
        )
    return value


def texts(values: list[str], *, param: str) -> list[str]:
    """A list of names, such as models. Raises InvalidRequest."""
    if len(values) > MAX_MODELS:
        raise InvalidRequest(f"{param}: at most {MAX_MODELS} names.", param=param)
    return [text(value, param=param) for value in values]


def _model_budgets(budgets: dict[str, ModelBudget]) -> dict[str, ModelBudget]:
    texts(list(budgets), param="model_max_budget")
    checked = {}
    for model, budget in budgets.items():
        param = f"model_max_budget.{model}"
        sum_usd, duration = budget.dollars, budget.duration
        checked[model] = ModelBudget(
            max_budget=None if sum_usd is None else dollars(sum_usd, param=param),
            budget_duration=None if duration is None else check_duration(duration, param=param),
            tpm_limit=None if budget.tpm_limit is None else count(budget.tpm_limit, param=param),
            rpm_limit=None if budget.rpm_limit is None else count(budget.rpm_limit, param=param),
        )
    return checked


def _windows(windows: list[BudgetWindow]) -> list[BudgetWindow]:
    if len(windows) > MAX_WINDOWS:
        raise InvalidRequest(f"budget_limits: at most {MAX_WINDOWS} windows.", param="budget_limits")
    checked = [
        BudgetWindow(
            budget_duration=check_duration(each.budget_duration, param="budget_limits.budget_duration"),
            max_budget=dollars(each.max_budget, param="budget_limits.max_budget"),
        )
        for each in windows
    ]
    if len({each.budget_duration for each in checked}) != len(checked):
        raise InvalidRequest("budget_limits: two budgets with the same duration.", param="budget_limits")
    return checked
