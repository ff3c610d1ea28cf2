"""Ports of functions that tell how deployments stand. Their implementations are in `runtime`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from schema.health import CheckRecord, HealthReport, ProviderBudget
from schema.model_info import ShownFacts


class Deployments(Protocol):
    """How deployments stand."""

    async def report(self, *, model: str | None, model_id: str | None) -> HealthReport | None:
        """The deployments of a model, or one of them, checked; without both, all of them. None: there is no
        such deployment."""
        ...

    async def history(
        self, *, model: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[Sequence[CheckRecord], int]:
        """Checks, newest first, and how many there are. Raises DatabaseUnavailable."""
        ...

    async def latest(self) -> Sequence[CheckRecord]:
        """The last check of each deployment. Raises DatabaseUnavailable."""
        ...

    async def provider_budgets(self) -> Mapping[str, ProviderBudget]:
        """The budgets of providers, by provider. Raises DatabaseUnavailable."""
        ...

    def states(self) -> Mapping[str, ShownFacts]:
        """How each deployment stands, as this worker sees it, by its id: `state`, and why and how long it
        cools down."""
        ...
