"""What keys, users, teams and budgets share: limits, metadata, and how a change to them is read. A change is
a partial update: an absent field stays as it is, and null clears it. Some of LiteLLM's fields are stored
inside `metadata`, where LiteLLM's readers look for them; `METADATA_FIELDS` names them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Generic, Literal, TypeVar

import msgspec

from schema.cache_options import CONTROLS
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.limits import COUNTS, SUMS, Meter
from schema.window import check_duration, window
from schema.wire import Wire, to_json, value_of

MAX_DOLLARS = Decimal(10**9)
MAX_COUNT = 2**53
MAX_PARALLEL = 2**31 - 1
MAX_NAME_CHARS = 256
MAX_MODELS = 1_000
MAX_METADATA_BYTES = 16 * 1024
MAX_WINDOWS = 10

METADATA_FIELDS = (
    "tags",
    "model_rpm_limit",
    "model_tpm_limit",
    "temp_budget_increase",
    "temp_budget_expiry",
    "default_estimated_output_tokens",
    "store_prompts_in_spend_logs",
    "store_responses",
    "local_only",
    "enable_prompt_caching",
    "store_local_bodies",
    "guardrails",
    "allowed_cache_controls",
    "end_user_budget_id",
    "model_aliases",
    "rpm_limit_type",
    "tpm_limit_type",
)
"""A request may have those of them that it declares."""
LimitType = Literal["best_effort_throughput"]
"""How a limit on requests or tokens is meant. LiteLLM's other kinds (`guaranteed_throughput`, `dynamic`)
promise what this version does not keep."""
_ASKS_NOTHING = frozenset({b"null", b"{}", b"[]", b'""', b"0", b"0.0", b"false"})
"""Values with which an undeclared field asks for nothing."""

WITHOUT_EFFECT = frozenset(
    [
        "agent_id",
        "aliases",
        "auto_rotate",
        "budget_reset_at",
        "config",
        "created_at",
        "created_by",
        "logging",
        "prompts",
        "rotation_interval",
        "send_invite_email",
        "sso_user_id",
        "updated_at",
        "updated_by",
    ]
)
"""LiteLLM's fields of management calls that restrict nothing and have no column here. They are left out, and
the answer names them in a header. A field that limits, permits or pays for something is never here."""
QUERIES_WITHOUT_EFFECT = frozenset({"expand", "include_metadata"})
"""LiteLLM's query parameters that only ask for more in an answer."""

_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

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


class MetadataRequest(LimitRequest, frozen=True, kw_only=True, dict=True):
    """The limits in a body, and the fields that LiteLLM keeps inside `metadata`."""

    metadata: MaybeJson = UNSET
    tags: MaybeTexts = UNSET
    model_rpm_limit: dict[str, int] | msgspec.UnsetType | None = UNSET
    model_tpm_limit: dict[str, int] | msgspec.UnsetType | None = UNSET
    temp_budget_increase: MaybeDollars = UNSET
    temp_budget_expiry: datetime | msgspec.UnsetType | None = UNSET
    default_estimated_output_tokens: MaybeCount = UNSET
    store_prompts_in_spend_logs: MaybeFlag = UNSET
    """LiteLLM has this setting in its config alone; here a key or a team may have it too."""
    store_responses: MaybeFlag = UNSET
    """Switchgear's own: whether the responses of these callers may be stored."""
    guardrails: MaybeTexts = UNSET
    """The guardrails that the calls of these callers pass, beside those of everybody."""
    local_only: MaybeFlag = UNSET
    """Switchgear's own: whether the calls of these callers go to local deployments alone."""
    enable_prompt_caching: MaybeFlag = UNSET
    """Whether requests to Claude that mark nothing get marks of the cache."""
    rpm_limit_type: LimitType | msgspec.UnsetType | None = UNSET
    tpm_limit_type: LimitType | msgspec.UnsetType | None = UNSET


class MetadataChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of `metadata`. `replace` holds the caller's own fields, all of them; None leaves them alone.
    `put` and `drop` change the fields of METADATA_FIELDS that they name, and no other."""

    replace: Json | None = None
    put: Json = {}
    drop: frozenset[str] = frozenset()
    names: Sequence[str] = METADATA_FIELDS
    """The fields of METADATA_FIELDS that the row has. They stay where the caller's own are replaced."""

    @property
    def limits(self) -> list[str]:
        """The names of the changed fields that say how much may be spent or used."""
        return sorted({*self.put, *self.drop} - FREE_METADATA)

    def applied(self, before: Mapping[str, msgspec.Raw]) -> Json:
        """The metadata after the change. Raises InvalidRequest where they grow too large."""
        after = dict(before)
        if self.replace is not None:
            after = {name: value for name, value in before.items() if name in self.names}
            after.update(self.replace)
        after = {name: value for name, value in after.items() if name not in self.drop}
        after.update(self.put)
        if len(msgspec.json.encode(after)) > MAX_METADATA_BYTES:
            raise InvalidRequest(f"metadata: at most {MAX_METADATA_BYTES} bytes of JSON.", param="metadata")
        return after


FREE_METADATA = frozenset({"tags", "enable_prompt_caching", "rpm_limit_type", "tpm_limit_type"})
"""The fields of METADATA_FIELDS that say nothing of how much may be spent or used."""


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


def metadata_change(request: MetadataRequest) -> MetadataChange | None:
    """What a body changes of `metadata`; None where it changes nothing. A field of METADATA_FIELDS may stand
    beside `metadata` or inside it; where it stands in both, the one beside counts. Raises InvalidRequest."""
    put: Json = {}
    drop: set[str] = set()
    given = {} if request.metadata is UNSET else request.metadata or {}
    names = [name for name in METADATA_FIELDS if name in request.__struct_fields__]
    inside = _fields_inside(given, names, type(request))
    for name in names:
        value = getattr(request, name)
        value = inside.get(name, UNSET) if value is UNSET else value
        if value is None or value == "":
            drop.add(name)
        elif value is not UNSET:
            put[name] = _metadata_value(name, value)
    named = {*put, *drop}
    if ("temp_budget_increase" in named) != ("temp_budget_expiry" in named):
        raise InvalidRequest(
            "temp_budget_increase: send temp_budget_increase and temp_budget_expiry together.",
            param="temp_budget_increase",
        )
    if request.metadata is UNSET and not named:
        return None
    own = {name: value for name, value in given.items() if name not in names}
    replace = None if request.metadata is UNSET else own
    return MetadataChange(replace=replace, put=put, drop=frozenset(drop), names=names)


def _fields_inside(metadata: Json, names: Sequence[str], kind: type[MetadataRequest]) -> dict[str, object]:
    """The values of METADATA_FIELDS that stand inside `metadata`, decoded as the fields of `kind` are."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    found: dict[str, object] = {}
    for name in names:
        if name in metadata:
            try:
                found[name] = msgspec.json.decode(metadata[name], type=types[name])
            except msgspec.ValidationError as exc:
                raise InvalidRequest(f"metadata: {exc} (in {name})", param="metadata") from exc
    return found


def _metadata_value(name: str, value: object) -> msgspec.Raw:
    if name == "temp_budget_increase":
        assert isinstance(value, Decimal)
        return msgspec.Raw(str(dollars(value, param=name)).encode())
    if name == "temp_budget_expiry" and isinstance(value, datetime) and value.tzinfo is None:
        raise InvalidRequest("temp_budget_expiry: expected a time with its zone.", param=name)
    if name in ("tags", "guardrails", "allowed_cache_controls"):
        assert isinstance(value, list)
        texts(value, param=name)
        unknown = [each for each in value if each not in CONTROLS]
        if name == "allowed_cache_controls" and unknown:
            raise InvalidRequest(f"{name}: {unknown[0][:64]!r} is none of {', '.join(CONTROLS)}.", param=name)
    if name == "model_aliases":
        assert isinstance(value, dict)
        texts([*value, *value.values()], param=name)
    if name == "end_user_budget_id":
        assert isinstance(value, str)
        text(value, param=name)
    for number in value.values() if isinstance(value, dict) else [value]:
        if isinstance(number, int):
            count(number, param=name)
    return msgspec.Raw(msgspec.json.encode(value))


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


def with_parts(request: Wire, name: str, parts: Sequence[Wire]) -> None:
    """Give each of the bodies in a body's list the fields it came with, for `refuse_undeclared`."""
    if name in request.raw:
        for part, raw in zip(parts, _OBJECTS.decode(request.raw[name]), strict=True):
            part.with_raw(raw)


def refuse_undeclared(request: Wire, shown: msgspec.Struct | None = None) -> None:
    """Refuse a body with a field that nobody declared: a limit that is asked for and silently not kept is
    worse than a refusal. `shown` is the row as answers show it: a field that is sent back as it is there asks
    for nothing. Raises UnsupportedParameter."""
    undeclared = list(_undeclared(request))
    row = _as_shown(shown) if undeclared and shown is not None else {}
    for name in undeclared:
        if name in row and value_of(request.raw[name], name) == value_of(row[name], name):
            continue
        if name not in WITHOUT_EFFECT:
            raise UnsupportedParameter(f"{name}: not supported by this version.", param=name)


def _as_shown(row: msgspec.Struct) -> Json:
    """The fields of a row as answers show them. None of a row in which SQL wrote what JSON can't say."""
    try:
        return _ROW.decode(to_json(row))
    except msgspec.DecodeError:
        return {}


def without_effect(request: Wire) -> list[str]:
    """The fields of a body that have no effect here. The answer names them."""
    return [name for name in _undeclared(request) if name in WITHOUT_EFFECT]


def _undeclared(request: Wire) -> Iterator[str]:
    """The fields of a body that nobody declared and that ask for something."""
    declared = set(request.__struct_encode_fields__)
    for name, value in request.raw.items():
        if name not in declared and bytes(value) not in _ASKS_NOTHING:
            yield name


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
