"""What a caller asks of its call's way: retries, fallbacks and deadlines. LiteLLM's names.

Retries: `x-litellm-num-retries`, `num_retries` and `max_retries` of the body, in this order. Fallbacks:
`fallbacks` (model names in order), `disable_fallbacks`, `context_window_fallbacks` and
`content_policy_fallbacks` (names by model) and `context_window_fallback_dict` (a name by model) of the body.
Region: `allowed_model_region` of the body, such as `eu`.
Deadlines: `x-litellm-timeout`, `timeout` and `request_timeout` of the body; `x-litellm-stream-timeout` and
`stream_timeout` of the body. What can't be read is refused by name.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec

from schema.errors.requests import InvalidRequest, UnsupportedParameter

MAX_ASKED_RETRIES = 10
MAX_ASKED_FALLBACKS = 20
"""The most names that a request may give. The config says how many of them are tried."""
RETRIES_HEADER = "x-litellm-num-retries"
RETRIES_FIELD = "num_retries"
FALLBACKS_FIELD = "fallbacks"
MORE_RETRIES_FIELD = "max_retries"
TIMEOUT_HEADER = "x-litellm-timeout"
TIMEOUT_FIELDS = ("timeout", "request_timeout")
STREAM_TIMEOUT_HEADER = "x-litellm-stream-timeout"
STREAM_TIMEOUT_FIELDS = ("stream_timeout",)
MAX_ASKED_TIMEOUT_S = 6_000.0
"""LiteLLM's default timeout, and the longest that a request may ask for."""
EXPLAIN_HEADER = "x-switchgear-explain"
REGION_FIELD = "allowed_model_region"
MAX_REGION_CHARS = 64
WINDOW_DICT_FIELD = "context_window_fallback_dict"
BY_MODEL_FIELDS = ("context_window_fallbacks", "content_policy_fallbacks")
ROUTE_FIELDS = frozenset(
    {
        RETRIES_FIELD,
        MORE_RETRIES_FIELD,
        FALLBACKS_FIELD,
        "disable_fallbacks",
        REGION_FIELD,
        WINDOW_DICT_FIELD,
        *BY_MODEL_FIELDS,
        *TIMEOUT_FIELDS,
        *STREAM_TIMEOUT_FIELDS,
    }
)
"""The fields of a body that the gateway uses up, so that they are not sent on."""


ASKS_NOTHING = frozenset({b"null", b'""'})
"""Values of a field that ask for nothing. Forms send an empty text where nobody wrote anything."""
ByModel = Mapping[str, tuple[str, ...]]
T = TypeVar("T")


class RouteOptions(NamedTuple):
    """What a call asks of retries, fallbacks and deadlines. A field that is None: as the config says."""

    retries: int | None = None
    fallbacks: tuple[str, ...] | None = None
    context_window_fallbacks: ByModel | None = None
    content_policy_fallbacks: ByModel | None = None
    falls_back: bool = True
    timeout_s: float | None = None
    """The most that an attempt may take."""
    stream_timeout_s: float | None = None
    """The longest silence between two pieces of an answer."""
    region: str = ""
    """Where the model must be, such as `eu`. Empty: anywhere."""
    explains: bool = False
    """Whether the answer says why the call went where it went."""

    def named(self) -> Iterator[tuple[str, Iterable[str]]]:
        """The models that a request names itself, by the field that names them."""
        if self.fallbacks is not None:
            yield FALLBACKS_FIELD, self.fallbacks
        for field, lists in zip(
            BY_MODEL_FIELDS, (self.context_window_fallbacks, self.content_policy_fallbacks), strict=True
        ):
            for names in (lists or {}).values():
                yield field, names


AS_CONFIGURED = RouteOptions()


def route_options_of(headers: Mapping[str, str], fields: Mapping[str, msgspec.Raw]) -> RouteOptions:
    """The options of a request. `headers` have lower-case names; `fields` are the body's fields as they came.
    Raises InvalidRequest."""
    if (
        ROUTE_FIELDS.isdisjoint(fields)
        and RETRIES_HEADER not in headers
        and TIMEOUT_HEADER not in headers
        and STREAM_TIMEOUT_HEADER not in headers
        and EXPLAIN_HEADER not in headers
    ):
        return AS_CONFIGURED
    asked = ROUTE_FIELDS.intersection(fields)
    found = {name: value for name in asked if (value := _decoded(fields[name], name)) is not None}
    field = RETRIES_FIELD if RETRIES_FIELD in found else MORE_RETRIES_FIELD
    retries = found.get(field)
    if RETRIES_HEADER in headers:
        field, retries = RETRIES_FIELD, _count(headers[RETRIES_HEADER])
    by_model = {name: _by_model(found[name], name) for name in BY_MODEL_FIELDS if name in found}
    if found.get(WINDOW_DICT_FIELD):
        by_model.setdefault(BY_MODEL_FIELDS[0], _single(found[WINDOW_DICT_FIELD]))
    fallbacks = found.get(FALLBACKS_FIELD)
    return RouteOptions(
        retries=None if retries is None else _retries(retries, field),
        fallbacks=None if fallbacks is None else _names(fallbacks),
        falls_back=not found.get("disable_fallbacks", False),
        timeout_s=_seconds(headers, found, TIMEOUT_HEADER, TIMEOUT_FIELDS),
        stream_timeout_s=_seconds(headers, found, STREAM_TIMEOUT_HEADER, STREAM_TIMEOUT_FIELDS),
        explains=_flag(headers.get(EXPLAIN_HEADER, "0")),
        region=_region(found.get(REGION_FIELD, "")),
        **by_model,
    )


_KINDS: Mapping[str, Any] = MappingProxyType(
    {
        RETRIES_FIELD: int,
        MORE_RETRIES_FIELD: int,
        WINDOW_DICT_FIELD: dict[str, str],
        **dict.fromkeys((*TIMEOUT_FIELDS, *STREAM_TIMEOUT_FIELDS), float),
        FALLBACKS_FIELD: list[str | dict[str, msgspec.Raw]],
        "disable_fallbacks": bool,
        REGION_FIELD: str,
        **dict.fromkeys(BY_MODEL_FIELDS, list[dict[str, list[str]]]),
    }
)
_WANTED = MappingProxyType(
    {
        RETRIES_FIELD: "a number",
        MORE_RETRIES_FIELD: "a number",
        WINDOW_DICT_FIELD: "a mapping of {model: model}",
        **dict.fromkeys((*TIMEOUT_FIELDS, *STREAM_TIMEOUT_FIELDS), "a number of seconds"),
        FALLBACKS_FIELD: "a list of model names",
        "disable_fallbacks": "true or false",
        REGION_FIELD: "the name of a region, such as eu",
        **dict.fromkeys(BY_MODEL_FIELDS, "a list of {model: [models]}"),
    }
)


def _decoded(raw: msgspec.Raw, name: str) -> Any:  # one of _KINDS
    if bytes(raw) in ASKS_NOTHING:
        return None
    try:
        return msgspec.json.decode(raw, type=_KINDS[name])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{name}: expected {_WANTED[name]}.", param=name) from exc


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidRequest(f"{RETRIES_HEADER}: expected a number.", param=RETRIES_HEADER)
    return int(text)


def _seconds(
    headers: Mapping[str, str], found: Mapping[str, Any], header: str, fields: Iterable[str]
) -> float | None:
    """The deadline that the header names, else the first of the fields. None: neither asks for one. Zero in a
    body asks for nothing."""
    param, seconds = header, math.nan
    if header in headers:
        text = headers[header]
        with suppress(ValueError):
            seconds = float(text) if len(text) < 20 else math.nan
    else:
        param, seconds = next(((name, found[name]) for name in fields if found.get(name)), ("", 0.0))
        if not param:
            return None
    if not 0 < seconds <= MAX_ASKED_TIMEOUT_S:
        raise InvalidRequest(
            f"{param}: expected a number of seconds above zero, up to {MAX_ASKED_TIMEOUT_S:g}.", param=param
        )
    return seconds


def _flag(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true"):
        raise InvalidRequest(f"{EXPLAIN_HEADER}: expected 1 or 0.", param=EXPLAIN_HEADER)
    return text.lower() in ("1", "true")


def _region(text: str) -> str:
    if len(text) > MAX_REGION_CHARS or not text.isprintable():
        raise InvalidRequest(f"{REGION_FIELD}: expected {_WANTED[REGION_FIELD]}.", param=REGION_FIELD)
    return text.strip()


def _single(given: dict[str, str]) -> dict[str, tuple[str, ...]]:
    if len(given) > MAX_ASKED_FALLBACKS:
        raise InvalidRequest(
            f"{WINDOW_DICT_FIELD}: expected at most {MAX_ASKED_FALLBACKS} names.", param=WINDOW_DICT_FIELD
        )
    return {model: (name,) for model, name in given.items()}


def _retries(count: int, field: str) -> int:
    if not 0 <= count <= MAX_ASKED_RETRIES:
        raise InvalidRequest(f"{field}: expected 0 to {MAX_ASKED_RETRIES}.", param=field)
    return count


def _names(given: list[str | dict[str, msgspec.Raw]]) -> tuple[str, ...]:
    """The names in a list of fallbacks. LiteLLM also takes mappings there, in which `model` is the name and
    the other fields change the request: a mapping with other fields is refused."""
    if len(given) > MAX_ASKED_FALLBACKS:
        raise InvalidRequest(
            f"{FALLBACKS_FIELD}: expected at most {MAX_ASKED_FALLBACKS}.", param=FALLBACKS_FIELD
        )
    names = []
    for each in given:
        if isinstance(each, str):
            names.append(each)
            continue
        if each.keys() != {"model"}:
            raise UnsupportedParameter(
                f"{FALLBACKS_FIELD}: a fallback is the name of a model; this gateway does not change the "
                "request for it.",
                param=FALLBACKS_FIELD,
            )
        try:
            names.append(msgspec.json.decode(each["model"], type=str))
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise InvalidRequest(
                f"{FALLBACKS_FIELD}: expected a list of model names.", param=FALLBACKS_FIELD
            ) from exc
    return tuple(names)


def _by_model(given: list[dict[str, list[str]]], name: str) -> dict[str, tuple[str, ...]]:
    pairs = [(model, tuple(names)) for each in given for model, names in each.items()]
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest(f"{name}: a model stands twice.", param=name)
    if sum(map(len, found.values())) > MAX_ASKED_FALLBACKS:
        raise InvalidRequest(f"{name}: expected at most {MAX_ASKED_FALLBACKS} names.", param=name)
    return found
