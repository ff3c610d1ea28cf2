"""LiteLLM's `/config/update`, `/router/settings` and `/fallback`, and the hosts with their config files."""

from typing import Any, Literal

import msgspec

from schema.health import ConfigHost
from schema.stored_models import JsonValues
from schema.wire import Wire

MAX_SETTINGS_BYTES = 256 * 1024
FallbackType = Literal["general", "context_window", "content_policy"]


class ConfigUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /config/update. A setting that is absent stays as it is. Null takes a stored setting away, and the
    config file's counts again."""

    router_settings: JsonValues | None = None


class ConfigUpdated(msgspec.Struct, frozen=True, kw_only=True):
    message: str = "Config updated successfully"


class SettingsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /router/settings and GET /config/hosts take nothing."""


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of the router, by LiteLLM's names. `source`: `database`, `config`, or `default`."""

    field_name: str
    field_value: Any  # JSON
    source: str
    field_type: str
    """`String`, `Integer`, `Float`, `Boolean`, `List` (of texts), or `Dictionary` (any JSON)."""
    field_description: str
    options: list[str] | None = None
    """The texts that it may be. Null: any."""
    refused: str | None = None
    """Why the stored value is not in force, and `field_value` is another. Null: it is, or none is stored."""


class UnknownSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A stored setting that this version does not know. Null for its name takes it away."""

    field_name: str
    refused: str


class RouterSettingsShown(msgspec.Struct, frozen=True, kw_only=True):
    """`current_values` has the settings that somebody has made."""

    fields: list[SettingField]
    current_values: JsonValues
    unknown_settings: list[UnknownSetting]


class ConfigHosts(msgspec.Struct, frozen=True, kw_only=True):
    """GET /config/hosts. `same`: whether all hosts serve with the same content of their config files.
    `needs_restart` and `settings_refused` are all of those of the host that answers; `hosts` has the first of
    each host's."""

    same: bool
    needs_restart: list[str]
    settings_refused: list[str]
    hosts: list[ConfigHost]


class FallbackRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /fallback: where calls of a model go when it fails, in order."""

    model: str
    fallback_models: list[str]
    fallback_type: FallbackType = "general"


class FallbackQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /fallback/{model}."""

    model: str
    fallback_type: FallbackType = "general"


class FallbackDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /fallback/{model}."""

    model: str = ""
    fallback_type: FallbackType = "general"


class FallbackShown(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    fallback_models: list[str]
    fallback_type: FallbackType


class FallbackMade(FallbackShown, frozen=True, kw_only=True):
    message: str


class FallbackDeleted(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    fallback_type: FallbackType
    message: str = "Fallback configuration deleted successfully"
