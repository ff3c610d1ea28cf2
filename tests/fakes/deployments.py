"""Deployments that stand as a test says. Implements `functions.ports.deployments.Deployments`."""

from collections.abc import Mapping, Sequence

from schema.health import CheckRecord, HealthReport, ProviderBudget
from schema.model_info import ShownFacts

NO_ENDPOINTS = HealthReport(healthy_endpoints=[], unhealthy_endpoints=[], healthy_count=0, unhealthy_count=0)


class FakeDeployments:
    """`shown` is by the deployments' ids, `reported` by the names of models."""

    def __init__(
        self,
        shown: Mapping[str, ShownFacts] | None = None,
        reported: Mapping[str | None, HealthReport] | None = None,
        checks: Sequence[CheckRecord] = (),
        budgets: Mapping[str, ProviderBudget] | None = None,
    ) -> None:
        self._shown = shown or {}
        self._reported = reported or {}
        self._checks = list(checks)
        self._budgets = budgets or {}

    async def report(self, *, model: str | None, model_id: str | None) -> HealthReport | None:
        return self._reported.get(model)

    async def history(
        self, *, model: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[Sequence[CheckRecord], int]:
        found = [
            each
            for each in self._checks
            if model in (None, each.model_name) and status in (None, each.status)
        ]
        return found[offset : offset + limit], len(found)

    async def latest(self) -> Sequence[CheckRecord]:
        return self._checks

    async def provider_budgets(self) -> Mapping[str, ProviderBudget]:
        return self._budgets

    def states(self) -> Mapping[str, ShownFacts]:
        return self._shown
