"""What an attempt costs by its outcome. Used when it is booked, and when it is costed again."""

from models_registry.prices.price import Parts, Price, ceiling_parts, cost_parts
from schema.errors import ProviderError, UpstreamError, UpstreamUnreachable, WholeAnswer
from schema.ledger.rows import Outcome, SpendRow
from schema.usage import NOTHING_RARE, UNKNOWN_TIER, Usage

NOTHING = Usage()

NOT_SERVED = frozenset({301, 302, 307, 308, *range(400, 500)}) - {408, 499}
"""Statuses that say that a call was not served, whoever says it. 408 and 499 come from proxies that stopped
waiting; 303 points to the answer of a call that was served."""
NOT_SERVED_BY_THE_PROVIDER = frozenset({500, 503, 529})
"""Likewise where the provider itself says it, so where the body is an error of its dialect. A proxy in
between that sends one of these, or 502, 504, 520 to 527, can't know what became of the call behind it."""


def costs_nothing(error: UpstreamError, *, bills_failures: bool) -> bool:
    """Whether a provider that failed charges nothing. `bills_failures`: it charges for what it answers with
    an error, too."""
    if isinstance(error, UpstreamUnreachable):
        return True
    if bills_failures:
        return False
    if error.answer is None:  # an error inside a 200 has a status by its kind
        return isinstance(error, ProviderError) and error.http_status < 500
    return is_not_served(error.answer)


def is_not_served(answer: WholeAnswer) -> bool:
    """Whether a whole answer says that its call was not served."""
    by_provider = answer.in_envelope and answer.status in NOT_SERVED_BY_THE_PROVIDER
    return by_provider or answer.status in NOT_SERVED


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
