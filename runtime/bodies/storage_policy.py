"""What an operator's config says about how long calls are kept, and how much of them."""

import re
from datetime import UTC, datetime

import msgspec

from models_registry.config.reader import Config
from schema.errors import InvalidRequest
from schema.window import after

DEFAULT_BODY_BYTES = 64 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
DEFAULT_INTERVAL = "1d"
REDACTED_FIELDS = (
    "api_key",
    "apikey",
    "x-api-key",
    "authorization",
    "password",
    "secret",
    "client_secret",
    "access_token",
    "refresh_token",
)
REDACTED_PATTERNS = (r"\bsk-[A-Za-z0-9_-]{16,}",)
"""Whatever the config adds: credentials are never kept."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class StoragePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`general_settings`, LiteLLM's where it has them; one is of `litellm_settings`."""

    retention: str | None = None
    """`maximum_spend_logs_retention_period`: None keeps everything."""
    retention_interval_s: float = 86_400.0
    """`maximum_spend_logs_retention_interval`: how often what is too old is looked for."""
    stores_bodies: bool = False
    """`store_prompts_in_spend_logs`: of teams and keys that say nothing."""
    bodies_forbidden: bool = False
    """`turn_off_message_logging`: of nobody, whatever else is said."""
    max_body_bytes: int = DEFAULT_BODY_BYTES
    """`spend_logs_max_body_bytes` (ours): of a request, and of an answer."""
    redacted_fields: tuple[str, ...] = REDACTED_FIELDS
    """With `spend_logs_redact_fields` (ours): JSON fields whose values are left out."""
    redacted_patterns: tuple[re.Pattern[str], ...] = tuple(map(re.compile, REDACTED_PATTERNS))
    """With `spend_logs_redact_patterns` (ours): what is left out of any text."""


def storage_policy_of(config: Config) -> tuple[StoragePolicy, tuple[str, ...]]:
    """The policy, and what is wrong with the settings it was made from, by path."""
    general = config.general_settings
    errors: list[str] = []
    patterns = []
    for place, text in enumerate(general.spend_logs_redact_patterns or ()):
        try:
            patterns.append(re.compile(text))
        except re.error as exc:
            errors.append(
                f"general_settings.spend_logs_redact_patterns[{place}]: not a regular expression: {exc}"
            )
    if "" in (general.spend_logs_redact_fields or ()):
        errors.append("general_settings.spend_logs_redact_fields: a field without a name")
    max_bytes = general.spend_logs_max_body_bytes
    if max_bytes is not None and not 1 <= max_bytes <= MAX_BODY_BYTES:
        errors.append(f"general_settings.spend_logs_max_body_bytes: expected 1 to {MAX_BODY_BYTES}")
    retention = _duration(general.maximum_spend_logs_retention_period, "retention_period", errors)
    interval = _duration(general.maximum_spend_logs_retention_interval, "retention_interval", errors)
    interval_s = (after(_EPOCH, interval or DEFAULT_INTERVAL, param="") - _EPOCH).total_seconds()
    policy = StoragePolicy(
        retention=retention,
        retention_interval_s=interval_s,
        stores_bodies=bool(general.store_prompts_in_spend_logs),
        bodies_forbidden=bool(config.litellm_settings.turn_off_message_logging),
        max_body_bytes=max_bytes or DEFAULT_BODY_BYTES,
        redacted_fields=(*REDACTED_FIELDS, *(general.spend_logs_redact_fields or ())),
        redacted_patterns=(*StoragePolicy().redacted_patterns, *patterns),
    )
    return policy, tuple(errors)


def _duration(value: str | int | None, name: str, errors: list[str]) -> str | None:
    """LiteLLM's durations; a number alone is seconds."""
    if value is None:
        return None
    text = f"{value}s" if isinstance(value, int) else value
    try:
        after(_EPOCH, text, param=f"general_settings.maximum_spend_logs_{name}")
    except InvalidRequest as exc:
        errors.append(exc.message)
        return None
    return text
