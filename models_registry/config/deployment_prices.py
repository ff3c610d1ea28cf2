"""What a deployment costs, as the config and the price data say, and the most that one call of it can."""

import math
from decimal import Decimal

from models_registry.config.entries import Deployment
from models_registry.config.provider import Provider
from models_registry.config.providers import PROVIDERS
from models_registry.config.reader import Config
from models_registry.config.sections import ModelInfo
from models_registry.numbers import number
from models_registry.prices.pricing import Pricing, adjustment_of, pricing_of
from models_registry.target import Deadlines
from schema.money import NANO_PER_USD

MAX_CALL_USD = Decimal(10**6)
"""The most dollars that `max_call_cost` may say: far above any price, and small enough for the ledger."""


def deployment_pricing(
    config: Config, provider: Provider, deployment: Deployment, *, deadlines: Deadlines
) -> Pricing:
    info, settings = deployment.entry.model_info, config.litellm_settings
    price_id, prefix, base_model = provider.price_id, provider.prefix, info.base_model
    if base_model is not None:
        if "/" in base_model:
            prefix = base_model.partition("/")[0]
        price_id, base_model = _listed_as(provider, base_model)
    return pricing_of(
        deployment.prices,
        Pricing(
            price_id=price_id,
            prefix=prefix,
            base_model=base_model,
            local=provider.local,
            max_ms=math.ceil(deadlines.total_s * 1000),
            adjustment=adjustment_of(
                settings.cost_discount_config or {},
                settings.cost_margin_config or {},
                provider.prefix,
                local=provider.local,
            ),
        ),
    )


def _listed_as(provider: Provider, base_model: str) -> tuple[str | None, str]:
    """The provider and the model under which the price data has a `base_model`. It may name its provider:
    `openai/gpt-4`, or `litellm/openai/gpt-4` as LiteLLM's own clients write it."""
    prefix, slash, rest = base_model.removeprefix("litellm/").partition("/")
    if not slash:
        return provider.price_id, prefix
    return (PROVIDERS[prefix].price_id if prefix in PROVIDERS else prefix), rest


def max_call_nano(info: ModelInfo, path: str) -> int | None:
    if info.max_call_cost is None:
        return None
    return int(number(info.max_call_cost, path, most=MAX_CALL_USD) * NANO_PER_USD)
