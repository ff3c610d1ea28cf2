"""The response cache: its ping, and what is deleted."""

import msgspec

from schema.wire import Wire


class PingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /cache/ping takes nothing."""


class CachePing(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's fields. `status` is `healthy`: an answer was kept and found."""

    status: str
    cache_type: str
    """`local` or `postgres`."""
    ping_response: bool
    set_cache_response: str
    litellm_cache_params: str
    """The rules in force, as JSON."""


class DeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /cache/delete. The keys are those of the header `x-litellm-cache-key`."""

    keys: list[str]


class FlushRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /cache/flushall takes nothing."""


class CacheDeleted(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "success"
    deleted: int
    """How many answers there were, in Postgres or in the memory of the worker that answers."""


class CacheFlushed(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "success"
