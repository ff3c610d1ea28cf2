"""What the probes answer."""

import msgspec


class ProbeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Probes have no parameters."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is `healthy`, or `degraded` while calls go on without Postgres, or without some of the
    deployments. `db` is `connected` or `not connected`, as at LiteLLM."""

    status: str
    db: str
    ledger_rows_waiting: int = 0
    """How many spend rows are not in Postgres yet."""
    deployments_skipped: int = 0
    """How many entries of the config's `model_list` can't be called."""
