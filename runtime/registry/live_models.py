"""The ports of the registry, answered by the one in force."""

from collections.abc import Sequence

from models_registry.priced_models import price_named, price_of
from models_registry.prices.price import Price
from models_registry.registry import Registry
from models_registry.shown_models import ShownModels, owned_deployments
from schema.ledger.rows import SpendRow
from schema.model_info import DeploymentInfo


class LiveModels:
    """Implements the ports `Models` and `Prices`."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        """The one in force. Another one may take its place at any time."""

    def of_team(self, team_id: str | None) -> ShownModels:
        """See Models."""
        return ShownModels(self.registry.of_team(team_id))

    def owned_deployments(self, *, with_address: bool) -> Sequence[DeploymentInfo]:
        """See Models."""
        return owned_deployments(self.registry, with_address=with_address)

    def price_of(self, row: SpendRow) -> Price | None:
        """See Prices."""
        return price_of(self.registry, row)

    def price_named(self, provider: str, model: str) -> Price | None:
        """See Prices."""
        return price_named(self.registry, provider, model)
