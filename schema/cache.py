"""The response cache: its ping, and what is deleted."""

from typing import Any

import msgspec

from schema.stored_models import JsonValues
from schema.wire import Wire

REDACTED = "***REDACTED***"
"""LiteLLM's word for a secret that is not shown."""


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
    """The settings in force. `source`: `database`, `config`, or `default`."""

    fields: list[CacheSettingsField]
    current_values: dict[str, Any]
    """By name. A password is `***REDACTED***`."""
    redis_type_descriptions: dict[str, str]
    source: str
    redis_source: str | None = None
    """What names the Redis in force: `database`, `config`, or `environment` (REDIS_URL, REDIS_HOST). Null:
    there is none."""


class CacheSettingsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /cache/settings and /cache/settings/test. The settings are those of `cache_params`, all of them,
    and count in place of the config file's. `{"type": "off"}` switches the cache off; null takes what is
    stored away, so that the file's count again."""

    cache_settings: JsonValues | None


class CacheSettingsSaved(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's fields. A password is `***REDACTED***`."""

    message: str = "Cache settings updated successfully"
    status: str = "success"
    settings: JsonValues


class CacheTested(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: `success` or `failed`, with the reason in `error`."""

    status: str
    message: str
    error: str | None = None


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
