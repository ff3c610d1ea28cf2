"""What the config says about storage: how long rows are kept, whether bodies are stored, and what is
redacted."""

import re
from datetime import UTC, datetime

import msgspec

from models_registry.config.reader import Config
from schema.errors.requests import InvalidRequest
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
"""The fields and patterns that are always redacted, so that credentials are never stored. The config can add
to them."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class StoragePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings about storage. They are in `general_settings`, but for `turn_off_message_logging`, which
    is in `litellm_settings`. The names are LiteLLM's, but for those marked as ours."""

    retention: str | None = None
    """`maximum_spend_logs_retention_period`: how long rows are kept, such as `90d`. None keeps everything."""
    retention_interval_s: float = 86_400.0
    """`maximum_spend_logs_retention_interval`: how often old months are looked for, in seconds."""
    stores_bodies: bool = False
    """`store_prompts_in_spend_logs`: whether bodies are stored where no key, user, team or organization
    says."""
    bodies_forbidden: bool = False
    """`turn_off_message_logging`: whether no body is stored, whatever else is said."""
    max_body_bytes: int = DEFAULT_BODY_BYTES
    """`spend_logs_max_body_bytes` (ours): the most that is stored of a request, and of an answer."""
    redacted_fields: tuple[str, ...] = REDACTED_FIELDS
    """`spend_logs_redact_fields` (ours), with REDACTED_FIELDS: the JSON fields with values that are
    redacted."""
    redacted_patterns: tuple[re.Pattern[str], ...] = tuple(map(re.compile, REDACTED_PATTERNS))
    """`spend_logs_redact_patterns` (ours), with REDACTED_PATTERNS: the patterns of text that is redacted."""


def storage_policy_of(config: Config) -> tuple[StoragePolicy, tuple[str, ...]]:
    """The policy of a config, and the errors in its settings. Each error begins with the setting's path."""
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
    """A duration as LiteLLM writes it, such as `30d`. A number alone is seconds. None where it is missing or
    bad; an error is added for a bad one."""
    if value is None:
        return None
    text = f"{value}s" if isinstance(value, int) else value
    try:
        after(_EPOCH, text, param=f"general_settings.maximum_spend_logs_{name}")
    except InvalidRequest as exc:
        errors.append(exc.message)
        return None
    return text
