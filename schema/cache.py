"""The response cache: its ping, and what is deleted."""

from typing import Any

import msgspec

from schema.wire import Wire


class PingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /cache/ping takes nothing."""


class CachePing(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's fields. `status` is `healthy`: an answer was kept and found."""

    status: str
    cache_type: str
    """`local`, `postgres` or `redis`."""
    ping_response: bool
    set_cache_response: str
    litellm_cache_params: str
    """The rules in force, as JSON."""


class CacheSettingsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /cache/settings takes nothing."""


class CacheSettingsField(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of `cache_params`, by LiteLLM's words."""

    field_name: str
    field_type: str
    """`String`, `Integer`, `Float`, `Boolean` or `List`."""
    field_value: Any = None  # a value of the config
    field_description: str
    field_default: Any = None  # likewise
    options: list[str] | None = None
    ui_field_name: str


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force. They stand in the config file."""

    fields: list[CacheSettingsField]
    current_values: dict[str, Any]
    """By name. A password is `***REDACTED***`."""
    redis_type_descriptions: dict[str, str]


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
