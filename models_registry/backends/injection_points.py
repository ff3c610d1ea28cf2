"""LiteLLM's `cache_control_injection_points`: where a request is marked for the provider's cache. The body of
a request may say it, and a config, which counts where the body says nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from models_registry.backends.cache_points import EPHEMERAL, MAX_POINTS
from models_registry.backends.parameters import CACHE_POINTS_FIELD
from models_registry.target import CachePoint, Target
from schema.errors.requests import InvalidRequest
from schema.wire import present

NAME = CACHE_POINTS_FIELD
TOOLS = "tool_config"
LOCATIONS = ("message", TOOLS)
CONTROL_KEYS = frozenset({"type", "ttl"})
TTLS = (None, "5m", "1h")


class InjectionPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a request without marks of the cache gets one."""

    location: str = "message"
    """`message`, or `tool_config`."""
    role: str | None = None
    index: int | None = None
    control: dict[str, Any] | None = None  # a `cache_control` of Anthropic's


_POINTS = msgspec.json.Decoder(list[InjectionPoint], strict=False)


class BadPoint(ValueError):
    """A point that can't be understood. `at` is its place behind the field's name, such as `[0].location`."""

    def __init__(self, at: str, expected: str) -> None:
        super().__init__(expected)
        self.at = at


def points_of(given: Sequence[InjectionPoint]) -> tuple[CachePoint, ...]:
    """The points in our terms. Raises BadPoint."""
    if len(given) > MAX_POINTS:
        raise BadPoint("", f"expected at most {MAX_POINTS}, the marks that a request can have")
    return tuple(_point(each, f"[{place}]") for place, each in enumerate(given))


def pointed(target: Target, fields: Mapping[str, msgspec.Raw]) -> Target:
    """The deployment with the points that a request's body asks for. It stays as it is where the body has
    none or the provider takes no marks. Raises InvalidRequest."""
    raw = fields.get(NAME)
    if raw is None or not present(raw):
        return target
    try:
        points = points_of(_POINTS.decode(raw))
    except BadPoint as exc:
        raise InvalidRequest(f"'{NAME}{exc.at}': {exc}.", param=f"{NAME}{exc.at}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'{NAME}' is malformed: {exc}", param=NAME) from exc
    if not points or not target.dialect.facts.takes_cache_points:
        return target
    return msgspec.structs.replace(target, cache_points=points)


def _point(given: InjectionPoint, at: str) -> CachePoint:
    if given.location not in LOCATIONS:
        raise BadPoint(f"{at}.location", f"expected {' or '.join(LOCATIONS)}")
    control = _control(given, at)
    if given.location == TOOLS:
        return CachePoint(tools=True, control=control)
    if given.role is None and given.index is None:
        raise BadPoint(at, "expected a role, such as system, or an index, such as -1")
    return CachePoint(role=given.role or "", index=given.index, control=control)


def _control(given: InjectionPoint, at: str) -> msgspec.Raw:
    """The mark of a point. One with other keys than Anthropic's would be refused with each call."""
    control = given.control
    if control is None:
        return EPHEMERAL
    wrong = bool(control.keys() - CONTROL_KEYS) or control.get("type") != "ephemeral"
    if wrong or control.get("ttl") not in TTLS:
        raise BadPoint(f"{at}.control", "expected {type: ephemeral}, and beside it a ttl of 5m or 1h")
    return msgspec.Raw(msgspec.json.encode(control))
