"""The prices of calls and of models, by the registry of today. They implement the port `Prices`. Pure."""

from models_registry.model_names import covers
from models_registry.prices.price import Price
from models_registry.prices.pricing import Pricing
from models_registry.registry import Registry
from schema.ledger.rows import SpendRow


def price_of(registry: Registry, row: SpendRow) -> Price | None:
    """The price at the time of the row's call, as the config and the price data of today have it. A
    deployment whose id has changed is found by its provider and model."""
    targets = registry.of_team(row.team_id).named(row.model_group)
    same = [each for each in targets if (each.provider, each.model) == (row.provider, row.model)]
    found = next((each for each in same if each.model_id == row.model_id), same[0] if same else None)
    return None if found is None else found.pricing.price(found.model, row.started_at)


def price_named(registry: Registry, provider: str, model: str) -> Price | None:
    """The price of a deployment of this model, that of a wildcard deployment that covers it, else the list
    price. None: the registry has no deployment of the provider, or the price is unknown."""
    wild = [target for each in registry.wildcards for target in each.targets if target.provider == provider]
    known = [target for targets in registry.groups.values() for target in targets]
    known = [target for target in known if target.provider == provider]
    same = next((target for target in known if target.model == model), None)
    if same is not None:
        return same.price
    covering = next((target for target in wild if covers(target.model, model)), None)
    if covering is not None:
        return covering.pricing.price(model, registry.at)
    if not known and not wild:
        return None
    some = (known or wild)[0].pricing
    without_own = Pricing(price_id=some.price_id, prefix=some.prefix, local=some.local, max_ms=some.max_ms)
    return without_own.price(model, registry.at)
