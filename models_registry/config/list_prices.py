"""List prices of models that the config does not have. Pure."""

from datetime import datetime

from models_registry.config.providers import PROVIDERS, UnknownProvider, split
from models_registry.facts.table import HOME
from models_registry.prices.price import Price
from models_registry.prices.pricing import Pricing


def list_price(name: str, at: datetime) -> Price | None:
    """The list price of `gpt-4o` or `openai/gpt-4o` at a moment. Where no provider is named, it is the one
    that makes the model, or the one whose bare names it has. None: no provider is known, or no price."""
    try:
        provider, model = split(name, None)
    except UnknownProvider:
        maker = next((each for each, beginnings in HOME.items() if name.startswith(beginnings)), None)
        if maker is None:
            return None
        row = PROVIDERS.get(maker)
        return Pricing(price_id=None if row is None else row.price_id, prefix=maker).price(name, at)
    return Pricing(price_id=provider.price_id, prefix=provider.prefix, local=provider.local).price(model, at)
