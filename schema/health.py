"""What the probes answer."""

import msgspec

VERSION = "0.1.0"
"""The gateway's version."""


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


class ReadinessDetails(Readiness, frozen=True, kw_only=True):
    """What a caller with a key learns beyond the probe. The names are LiteLLM's. This version has no cache
    and no callbacks."""

    cache: str | None = None
    litellm_version: str = VERSION
    success_callbacks: list[str] = []


class ServedPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path of the API, and the methods that it has."""

    path: str
    methods: list[str]
    name: str
    """The function, such as `keys.info`."""


class ServedPaths(msgspec.Struct, frozen=True, kw_only=True):
    """GET /routes."""

    routes: list[ServedPath]
