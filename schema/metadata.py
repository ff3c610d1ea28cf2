"""The fields that LiteLLM keeps inside `metadata`, where LiteLLM's readers look for them, and how a change to
them is read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.cache_options import CONTROLS
from schema.errors.requests import InvalidRequest
from schema.fields import (
    UNSET,
    Json,
    LimitRequest,
    MaybeCount,
    MaybeDollars,
    MaybeFlag,
    MaybeJson,
    MaybeTexts,
    count,
    dollars,
    text,
    texts,
)

MAX_METADATA_BYTES = 16 * 1024
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
FREE_METADATA = frozenset({"tags", "enable_prompt_caching", "rpm_limit_type", "tpm_limit_type"})
"""The fields of METADATA_FIELDS that say nothing of how much may be spent or used."""
LimitType = Literal["best_effort_throughput"]
"""How a limit on requests or tokens is meant. LiteLLM's other kinds (`guaranteed_throughput`, `dynamic`)
promise what this version does not keep."""


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
