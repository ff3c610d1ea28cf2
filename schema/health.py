"""What the probes answer."""

import msgspec


class ProbeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Probes take nothing."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is healthy, or degraded while calls go on without Postgres; `db` is connected or
    not connected, LiteLLM's words."""

    status: str
    db: str
    ledger_rows_waiting: int = 0
    """Spend rows not yet in Postgres."""
