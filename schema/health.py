"""What the probes answer."""

from datetime import datetime
from decimal import Decimal

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
    """How many entries of the config's `model_list`, and how many stored models, can't be called."""
    config: str = "in force"
    """Whether the config file's present content is in force: `in force`, or `refused`, with the earlier one
    still in force; `differs` where the file of another host has another content."""


class ConfigHost(msgspec.Struct, frozen=True, kw_only=True):
    """One host's config file, as one of its workers told it last."""

    host: str
    config_hash: str
    """The first 12 characters of the SHA-256 of the file in force and its includes. Empty: there is none."""
    config_error: str | None = None
    """Why a newer content of the file is refused."""
    workers: int = 1
    models: int = 0
    """How many deployments are in force."""
    loaded_at: datetime
    """When the registry in force was built, the latest of the host's workers."""
    settings_refused: list[str] = []
    """Why stored settings are not in force at this host."""


class ReadinessDetails(Readiness, frozen=True, kw_only=True):
    """What a caller with a key learns beyond the probe. The names are LiteLLM's. This version has no cache
    and no callbacks."""

    cache: str | None = None
    litellm_version: str = VERSION
    success_callbacks: list[str] = []
    config_hash: str = ""
    """The first 12 characters of the SHA-256 of this worker's config file and its includes."""
    hosts: int = 1
    """How many hosts serve with this database."""
    config_hashes: int = 1
    """How many different contents their config files have."""


class ServedPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path of the API, and the methods that it has."""

    path: str
    methods: list[str]
    name: str
    """The function, such as `keys.info`."""


class ServedPaths(msgspec.Struct, frozen=True, kw_only=True):
    """GET /routes."""

    routes: list[ServedPath]


class HealthQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /health: `model` is a public name, `model_id` a deployment's id. Without both: all deployments."""

    model: str | None = None
    model_id: str | None = None


class CheckedEndpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deployment, as a check found it, and how it stands."""

    model: str
    """The provider and the model, such as `openai/gpt-4o`."""
    model_name: str
    """The public name."""
    model_id: str
    api_base: str = ""
    checked_by: str
    """`models`, `call`, or `none`: it is not checked, and calls alone tell how it is."""
    checked_at: datetime | None = None
    response_time_ms: float | None = None
    state: str = ""
    """How the answering worker sees it: `healthy`, `cooling`, `probing` or `unhealthy`."""
    error: str = ""


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    healthy_endpoints: list[CheckedEndpoint]
    unhealthy_endpoints: list[CheckedEndpoint]
    healthy_count: int
    unhealthy_count: int


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /health/history. Newest first."""

    model: str | None = None
    status_filter: str | None = None
    """`healthy` or `unhealthy`."""
    limit: int = 100
    offset: int = 0


class CheckRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_HealthCheckTable`."""

    health_check_id: str
    model_name: str
    model_id: str | None
    status: str
    healthy_count: int
    unhealthy_count: int
    error_message: str | None
    response_time_ms: float | None
    checked_by: str | None
    checked_at: datetime


class CheckHistory(msgspec.Struct, frozen=True, kw_only=True):
    health_checks: list[CheckRecord]
    total_records: int
    limit: int
    offset: int


class LatestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /health/latest has no parameters."""


class LatestChecks(msgspec.Struct, frozen=True, kw_only=True):
    """The last check of each deployment, by its id."""

    latest_health_checks: dict[str, CheckRecord]
    total_models: int


class ProviderBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider may cost in all. Sums are in dollars."""

    budget_limit: Decimal
    time_period: str
    spend: Decimal
    """What is spent and held in the window that is open."""
    budget_reset_at: datetime | None


class ProviderBudgets(msgspec.Struct, frozen=True, kw_only=True):
    """GET /provider/budgets, by provider."""

    providers: dict[str, ProviderBudget]
