"""What an attempt costs by its outcome. Used when it is booked, and when it is costed again."""

from models_registry.price import Parts, Price, ceiling_parts, cost_parts
from schema.spend import Outcome, SpendRow
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


def least_nano(row: SpendRow) -> int:
    """Below which no other price brings a row. Of one that nobody knows the end of that is what was booked,
    where its counts do not explain it: a ceiling that the config states, the hold of a worker that died.
    What they do explain is stored in parts."""
    explained = row.outcome is not Outcome.UNCERTAIN or sum(row.cost_parts) == row.cost_nano
    return 0 if explained else row.cost_nano
