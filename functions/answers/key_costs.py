"""What keys cost in a period, by model: the shape that several of LiteLLM's reports share."""

from collections.abc import Iterable
from decimal import Decimal

from schema.ledger.sums import Dimension, Sums
from schema.reports import KeyCost, ModelCost

BY_KEY_AND_MODEL = (Dimension.API_KEY, Dimension.MODEL)
COSTS = ("spend", "prompt_tokens", "completion_tokens")
"""The metrics that are read here."""


def key_costs(sums: Iterable[Sums]) -> list[KeyCost]:
    """The cost of each key, by model, from sums by key and model. The key with the highest cost comes first,
    and in each key the model with the highest cost."""
    models: dict[str, list[ModelCost]] = {}
    for each in sums:
        metrics = each.metrics
        models.setdefault(each.of[Dimension.API_KEY], []).append(
            ModelCost(
                model=each.of[Dimension.MODEL],
                total_cost=metrics.spend,
                total_input_tokens=metrics.prompt_tokens,
                total_output_tokens=metrics.completion_tokens,
            )
        )
    found = [
        KeyCost(
            api_key=key,
            total_cost=sum((model.total_cost for model in details), start=Decimal(0)),
            total_input_tokens=sum(model.total_input_tokens for model in details),
            total_output_tokens=sum(model.total_output_tokens for model in details),
            model_details=sorted(details, key=lambda model: model.total_cost, reverse=True),
        )
        for key, details in models.items()
    ]
    return sorted(found, key=lambda key: key.total_cost, reverse=True)
