"""What an attempt costs by its outcome. Used when it is booked, and when it is costed again."""

from models_registry.price import Parts, Price, ceiling_parts, cost_parts
from schema.spend import Outcome
from schema.usage import NOTHING_RARE, UNKNOWN_TIER, Usage

NOTHING = Usage()


def attempt_parts(price: Price, outcome: Outcome, usage: Usage, duration_ms: int) -> Parts:
    """Nothing where no work was done, and its ceiling where nobody knows what it used."""
    if outcome is not Outcome.OK and usage == NOTHING:
        return Parts()
    if outcome is not Outcome.UNCERTAIN:
        return cost_parts(price, usage, duration_ms)
    rare = usage.rare or NOTHING_RARE
    return ceiling_parts(
        price,
        usage.prompt_tokens,
        usage.completion_tokens,
        images=rare.images,
        searches=rare.web_searches,
        at_list_price=usage.service_tier != UNKNOWN_TIER,
    )
