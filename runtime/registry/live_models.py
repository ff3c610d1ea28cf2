"""The ports of the registry, answered by the one in force."""

from collections.abc import Sequence

from models_registry.prices.price import Price
from models_registry.registry import Registry
from schema.ledger.rows import SpendRow
from schema.model_info import DeploymentInfo


class LiveModels:
    """Implements the ports `Models` and `Prices`."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        """The one in force. Another one may take its place at any time."""

    def of_team(self, team_id: str | None) -> Registry:
        return self.registry.of_team(team_id)

    def owned_deployments(self, *, with_address: bool) -> Sequence[DeploymentInfo]:
        return self.registry.owned_deployments(with_address=with_address)

    def price_of(self, row: SpendRow) -> Price | None:
        return self.registry.price_of(row)

    def price_named(self, provider: str, model: str) -> Price | None:
        return self.registry.price_named(provider, model)
