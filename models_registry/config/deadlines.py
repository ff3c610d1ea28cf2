"""The deadlines of a deployment."""

from decimal import Decimal

from models_registry.config.sections import LitellmParams, LitellmSettings, RouterSettings
from models_registry.numbers import Number, number
from models_registry.target import Deadlines

DEFAULT_TOTAL_S = 6000.0  # LiteLLM's request_timeout
MIN_TIMEOUT_S = Decimal("0.001")
MAX_TIMEOUT_S = Decimal(7 * 86_400)


def deadlines_of(
    params: LitellmParams, path: str, settings: LitellmSettings, router: RouterSettings
) -> Deadlines:
    """LiteLLM's `timeout` bounds the whole call; `stream_timeout` the wait for the next piece. Ours,
    `connect_timeout` and `first_token_timeout`, bound the steps before. A section's value that is wrong is an
    error of that section."""
    default = Deadlines()
    total_s = _first_seconds(
        (params.timeout, f"{path}.timeout"),
        (router.timeout, "router_settings.timeout"),
        (settings.request_timeout, "litellm_settings.request_timeout"),
        default=DEFAULT_TOTAL_S,
    )
    idle_s = _first_seconds(
        (params.stream_timeout, f"{path}.stream_timeout"),
        (router.stream_timeout, "router_settings.stream_timeout"),
        default=default.idle_s,
    )
    connect_s = _first_seconds((params.connect_timeout, f"{path}.connect_timeout"), default=default.connect_s)
    first_byte_s = _first_seconds(
        (params.first_token_timeout, f"{path}.first_token_timeout"), default=default.first_byte_s
    )
    return Deadlines(
        connect_s=min(connect_s, total_s),
        first_byte_s=min(first_byte_s, total_s),
        idle_s=min(idle_s, total_s),
        total_s=total_s,
    )


def _first_seconds(*places: tuple[Number | None, str], default: float) -> float:
    for value, path in places:
        if value is not None:
            return float(number(value, path, least=MIN_TIMEOUT_S, most=MAX_TIMEOUT_S))
    return default
