"""Tells how deployments stand: checked, as calls go, and by what providers cost. Implements `Deployments`."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from models_registry.config.capacity import provider_allowance
from models_registry.config.health_checks import CheckRules
from models_registry.config.sections import RouterSettings
from models_registry.routing.fleet import Fleet, Standing
from models_registry.target import Target
from runtime.postgres.database import Database
from runtime.upstream.checker import CheckFound, how_of
from runtime.upstream.health_checks import HealthChecks
from schema.health import CheckedEndpoint, CheckRecord, HealthReport, ProviderBudget
from schema.model_info import ShownFacts
from schema.money import NANO_PER_USD

ON_DEMAND = "on_demand_health_check"
_SPENT = """
    SELECT account, spent + leased AS spent, window_end FROM "Switchgear_Account"
    WHERE account = ANY ($1) AND (window_end IS NULL OR window_end > clock_timestamp())
"""


class DeploymentReports:
    """One a worker. Where checks are made in the background, a report makes none."""

    def __init__(
        self,
        checks: HealthChecks,
        fleet: Fleet,
        targets: Callable[[], Sequence[Target]],
        router: RouterSettings,
        database: Database,
        rules: CheckRules = CheckRules(),  # noqa: B008  (it is frozen)
    ) -> None:
        self._checks = checks
        self._fleet = fleet
        self._targets = targets
        self.router = router
        self._database = database
        self._rules = rules

    async def report(self, *, model: str | None, model_id: str | None) -> HealthReport | None:
        """See Deployments."""
        wanted = [
            target
            for target in self._targets()
            if model in (None, target.public_name) and model_id in (None, target.model_id)
        ]
        if not wanted and (model is not None or model_id is not None):
            return None
        known = await self._known(wanted) if self._rules.background else {}
        found = await self._checks.check(
            [target for target in wanted if target.model_id not in known], by=ON_DEMAND
        )
        shown = {each.target.model_id: self._checked(each) for each in found}
        shown |= {
            target.model_id: self._noted(target, known[target.model_id])
            for target in wanted
            if target.model_id in known
        }
        endpoints = [shown[target.model_id] for target in wanted]
        healthy = [each for each in endpoints if not each.error]
        unhealthy = [each for each in endpoints if each.error]
        return HealthReport(
            healthy_endpoints=[*map(self._told, healthy)],
            unhealthy_endpoints=[*map(self._told, unhealthy)],
            healthy_count=len(healthy),
            unhealthy_count=len(unhealthy),
        )

    def _told(self, endpoint: CheckedEndpoint) -> CheckedEndpoint:
        if self._rules.details:
            return endpoint
        return msgspec.structs.replace(endpoint, api_base="", error="")

    async def history(
        self, *, model: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[Sequence[CheckRecord], int]:
        """See Deployments."""
        return await self._checks.history(model=model, status=status, limit=limit, offset=offset)

    async def latest(self) -> Sequence[CheckRecord]:
        """See Deployments."""
        return await self._checks.latest()

    async def provider_budgets(self) -> Mapping[str, ProviderBudget]:
        """See Deployments."""
        config = self.router.provider_budget_config or {}
        budgets = {name: provider_allowance(name, given) for name, given in config.items()}
        accounts = {each.account(): name for name, each in budgets.items()}
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SPENT, list(accounts))
        spent = {accounts[row["account"]]: row for row in rows}
        return {
            name: ProviderBudget(
                budget_limit=Decimal(each.limit_nano) / NANO_PER_USD,
                time_period=each.duration,
                spend=Decimal(spent[name]["spent"]) / NANO_PER_USD if name in spent else Decimal(0),
                budget_reset_at=spent[name]["window_end"] if name in spent else None,
            )
            for name, each in budgets.items()
        }

    def states(self) -> Mapping[str, ShownFacts]:
        """See Deployments."""
        now = time.monotonic()
        found: dict[str, ShownFacts] = {}
        for key, standing in self._fleet.items():
            shown = _shown(standing, now)
            # a wildcard has many models under one id, and the one that stands worst is told
            if key[0] not in found or found[key[0]]["state"] == "healthy":
                found[key[0]] = shown
        return found

    async def _known(self, targets: Sequence[Target]) -> dict[str, CheckRecord]:
        latest = {each.model_id: each for each in await self._checks.latest()}
        return {
            target.model_id: record
            for target in targets
            if (record := latest.get(target.model_id)) is not None and how_of(target) != "none"
        }

    def _checked(self, found: CheckFound) -> CheckedEndpoint:
        return self._endpoint(
            found.target,
            checked_at=None if found.how == "none" else found.checked_at,
            took_ms=None if found.how == "none" else round(found.took_ms, 1),
            error=found.error,
        )

    def _noted(self, target: Target, record: CheckRecord) -> CheckedEndpoint:
        error = "" if record.status == "healthy" else record.error_message or "unhealthy"
        return self._endpoint(
            target, checked_at=record.checked_at, took_ms=record.response_time_ms, error=error
        )

    def _endpoint(
        self, target: Target, *, checked_at: datetime | None, took_ms: float | None, error: str
    ) -> CheckedEndpoint:
        standing = self._fleet.find(target)
        state = "healthy" if standing is None else standing.state(time.monotonic()).value
        return CheckedEndpoint(
            model=f"{target.provider}/{target.model}",
            model_name=target.public_name,
            model_id=target.model_id,
            api_base=target.api_base,
            checked_by=how_of(target),
            checked_at=None if checked_at is None else checked_at.astimezone(UTC),
            response_time_ms=took_ms,
            state=state,
            error=error,
        )


def _shown(standing: Standing, now: float) -> ShownFacts:
    """A standing as `/v1/model/info` shows it."""
    shown: dict[str, object] = {"state": standing.state(now, stale_s=float("inf")).value}
    record = standing.record
    if record.until:
        shown["cooldown_s_left"] = round(max(0.0, record.until - now), 1)
        shown["cooldown_reason"] = record.why
    if standing.checked_ok is not None:
        shown["last_check"] = {
            "ok": standing.checked_ok,
            "s_ago": round(max(0.0, now - standing.checked_at), 1),
            "error": standing.check_error,
        }
    return shown
