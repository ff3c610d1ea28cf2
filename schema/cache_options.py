"""What a request asks of the response cache: its field `cache`, and the header `Cache-Control`. LiteLLM's
names.

    {"cache": {"no-cache": true}}        ask the provider
    {"cache": {"no-store": true}}        don't keep the answer
    {"cache": {"ttl": 60}}               keep the answer for a minute
    {"cache": {"s-maxage": 60}}          take no answer that is older than a minute
    {"cache": {"namespace": "drafts"}}   share answers with requests of this namespace alone
    {"cache": {"use-cache": true}}       use the cache where requests have to ask for it
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeGuard

import msgspec

from schema.errors.base import shortened
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.wire import value_of

CACHE_FIELD = "cache"
CACHE_HEADER = "cache-control"
CONTROLS = ("no-cache", "no-store", "ttl", "s-maxage", "s-max-age", "namespace", "use-cache")
"""What a request may say in `cache`. The `allowed_cache_controls` of a key or a user name some of them."""
NO_CACHE_CONTROLS = ("none",)
"""The controls of a caller that may use none: no control has this name."""
NAMESPACE = r"[A-Za-z0-9_.-]{1,64}"
MAX_ASKED_TTL_S = 30 * 86_400.0
_MAX_AGE_NAMES = ("s-maxage", "s-max-age")
_DIRECTIVE = re.compile(r'\s*([a-z-]+)\s*(?:=\s*"?(\d{1,10})"?)?\s*', re.IGNORECASE)


class CacheOptions(NamedTuple):
    """What a call asks of the response cache."""

    reads: bool = True
    """Whether an answer may come from the cache."""
    keeps: bool = True
    """Whether the answer may be kept."""
    ttl_s: float | None = None
    """For how long the answer is kept. None: as the config says."""
    oldest_s: float | None = None
    """How old an answer of the cache may be. None: as old as it was kept for."""
    namespace: str = ""
    """Empty: that of the config."""
    wanted: bool | None = None
    """Whether the request asks to use the cache at all. None: the config decides."""


AS_USUAL = CacheOptions()


def cache_options_of(
    headers: Mapping[str, str], fields: Mapping[str, msgspec.Raw], allowed: Collection[str] = ()
) -> CacheOptions:
    """The options of a request. `headers` have lower-case names; `fields` are the body's as they came. The
    body counts before the header. `allowed` are the controls that the caller may use; empty: all. Raises
    InvalidRequest, and NotAllowed for another one in the body; in the header it is ignored."""
    if CACHE_FIELD not in fields and CACHE_HEADER not in headers:
        return AS_USUAL
    options = _of_header(headers[CACHE_HEADER], allowed or CONTROLS) if CACHE_HEADER in headers else AS_USUAL
    asked = value_of(fields[CACHE_FIELD], CACHE_FIELD) if CACHE_FIELD in fields else None
    if not isinstance(asked, dict):
        return options
    for name in asked if allowed else ():
        if name not in allowed:
            raise NotAllowed(
                f"{CACHE_FIELD}: this key may not set {shortened(name, 64)!r}; an administrator can allow it "
                "(allowed_cache_controls).",
                param=CACHE_FIELD,
            )
    return _of_field(asked, options)


def _of_header(text: str, allowed: Collection[str]) -> CacheOptions:
    """As at LiteLLM, `s-maxage` is how long the answer is kept. What is not known is ignored (RFC 9111,
    5.2)."""
    options = AS_USUAL
    for part in text[:1000].split(","):
        found = _DIRECTIVE.fullmatch(part)
        if found is None:
            continue
        match found[1].lower(), found[2]:
            case "no-cache", None if "no-cache" in allowed:
                options = options._replace(reads=False)
            case "no-store", None if "no-store" in allowed:
                options = options._replace(keeps=False)
            case "s-maxage", str(seconds) if "ttl" in allowed and 0 < int(seconds) <= MAX_ASKED_TTL_S:
                options = options._replace(ttl_s=float(seconds))
            case "max-age", str(seconds) if not {*_MAX_AGE_NAMES}.isdisjoint(allowed):
                options = options._replace(oldest_s=float(seconds))
    return options


def _of_field(asked: Mapping[str, Any], options: CacheOptions) -> CacheOptions:  # JSON has values of any type
    oldest = next((name for name in _MAX_AGE_NAMES if asked.get(name) is not None), None)
    namespace = asked.get("namespace") or options.namespace
    if not isinstance(namespace, str) or (namespace and not re.fullmatch(NAMESPACE, namespace)):
        raise _wrong("namespace", "expected 1 to 64 letters, digits, `_`, `.`, `-`")
    ttl_s = options.ttl_s if asked.get("ttl") is None else _seconds(asked, "ttl")
    if ttl_s is not None and not 0 < ttl_s <= MAX_ASKED_TTL_S:
        raise _wrong("ttl", f"expected seconds, above 0 and up to {MAX_ASKED_TTL_S:g}")
    return CacheOptions(
        reads=options.reads and not _flag(asked, "no-cache"),
        keeps=options.keeps and not _flag(asked, "no-store"),
        ttl_s=ttl_s,
        oldest_s=options.oldest_s if oldest is None else _seconds(asked, oldest),
        namespace=namespace,
        wanted=None if asked.get("use-cache") is None else _flag(asked, "use-cache"),
    )


def is_seconds(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number of seconds. Infinity and what is no number at all are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _flag(asked: Mapping[str, Any], name: str) -> bool:
    found = asked.get(name)
    if found is not None and not isinstance(found, bool):
        raise _wrong(name, "expected true or false")
    return found is True


def _seconds(asked: Mapping[str, Any], name: str) -> float:
    found = asked[name]
    if not is_seconds(found) or found < 0:
        raise _wrong(name, "expected seconds")
    return float(found)


def _wrong(name: str, expected: str) -> InvalidRequest:
    param = f"{CACHE_FIELD}.{name}"
    return InvalidRequest(f"{param}: {expected}.", param=param)
