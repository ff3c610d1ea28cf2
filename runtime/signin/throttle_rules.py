"""How often signing in may fail. It stands by itself, since the checks of a config read it."""

import msgspec


class ThrottleRules(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's settings: `max_failed_login_attempts_per_source` failures within
    `failed_login_window_seconds` keep an address out for `failed_login_block_seconds`."""

    failures: int = 10
    window_s: float = 60.0
    block_s: float = 300.0
