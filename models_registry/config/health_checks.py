"""What the config says about health checks (`general_settings`)."""

import msgspec

from models_registry.config.sections import GeneralSettings

DEFAULT_INTERVAL_S = 300
DEFAULT_CONCURRENCY = 8
MAX_CONCURRENCY = 100
LEAST_INTERVAL_S = 5
MOST_INTERVAL_S = 7 * 86_400


class CheckRules(msgspec.Struct, frozen=True, kw_only=True):
    """When deployments are checked."""

    background: bool = False
    interval_s: float = DEFAULT_INTERVAL_S
    concurrency: int = DEFAULT_CONCURRENCY
    """How many checks a worker makes at once."""
    details: bool = True
    """Whether `/health` tells addresses and errors."""


def check_rules_of(general: GeneralSettings) -> tuple[CheckRules, list[str]]:
    """The rules, and the errors of the settings."""
    errors: list[str] = []
    interval_s = general.health_check_interval
    if interval_s is not None and not LEAST_INTERVAL_S <= interval_s <= MOST_INTERVAL_S:
        errors.append(
            f"general_settings.health_check_interval: expected {LEAST_INTERVAL_S} to {MOST_INTERVAL_S} "
            "seconds"
        )
    concurrency = general.health_check_concurrency
    if concurrency is not None and not 1 <= concurrency <= MAX_CONCURRENCY:
        errors.append(f"general_settings.health_check_concurrency: expected 1 to {MAX_CONCURRENCY}")
    rules = CheckRules(
        background=bool(general.background_health_checks),
        interval_s=interval_s or DEFAULT_INTERVAL_S,
        concurrency=concurrency or DEFAULT_CONCURRENCY,
        details=general.health_check_details is not False,
    )
    return rules, errors
