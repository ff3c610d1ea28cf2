"""What an attempt costs by its outcome, when it is booked and when it is costed again."""

from models_registry.prices.price import AtMost, Parts, Price, ceiling_parts, cost_parts
from schema.errors.upstream import ProviderAnswer, ProviderError, UpstreamError, UpstreamUnreachable
from schema.ledger.rows import Outcome, SpendRow
from schema.usage import NOTHING_RARE, UNKNOWN_TIER, Usage

NOTHING = Usage()

NOT_SERVED = frozenset({301, 302, 307, 308, *range(400, 500)}) - {408, 499}
"""Statuses of calls that were not served, whether the provider or a proxy sends them. 408 and 499 are none:
proxies send them when they stop waiting. 303 is none: it points to the answer of a call that was served."""
NOT_SERVED_BY_THE_PROVIDER = frozenset({500, 503, 529})
"""Statuses of calls that were not served if the provider itself sends them. The provider sent them if the
body is an error of its dialect. A proxy in between that sends one of these, or 502, 504, 520 to 527, can't
know what became of the call."""


def costs_nothing(error: UpstreamError, *, bills_failures: bool) -> bool:
    """Whether the provider charges nothing for a failed attempt. `bills_failures`: the provider also charges
    for calls that it answers with an error."""
    if isinstance(error, UpstreamUnreachable):
        return True
    if bills_failures:
        return False
    if error.answer is None:  # an error inside a 200 has a status by its kind
        return isinstance(error, ProviderError) and error.http_status < 500
    return is_not_served(error.answer)


def is_not_served(answer: ProviderAnswer) -> bool:
    """Whether a whole answer says that its call was not served."""
    by_provider = answer.in_envelope and answer.status in NOT_SERVED_BY_THE_PROVIDER
    return by_provider or answer.status in NOT_SERVED


def attempt_parts(price: Price, outcome: Outcome, usage: Usage, duration_ms: int) -> Parts:
    """The cost of an attempt in nano-USD, by what it is for. An attempt that did no work costs nothing. An
    uncertain attempt costs its ceiling."""
    if outcome is not Outcome.OK and usage == NOTHING:
        return Parts()
    if outcome is not Outcome.UNCERTAIN:
        return cost_parts(price, usage, duration_ms)
    rare = usage.rare or NOTHING_RARE
    most = AtMost(
        usage.prompt_tokens,
        usage.completion_tokens,
        images=rare.images,
        searches=rare.web_searches,
        at_list_price=usage.service_tier != UNKNOWN_TIER,
    )
    return ceiling_parts(price, most)


def least_nano(row: SpendRow) -> int:
    """The least that a row costs in nano-USD, whatever price is found for it later. An uncertain row keeps
    its booked cost where its stored parts do not add up to it: then the cost is not from its counts, but a
    ceiling that the config states or the hold of a worker that died. For any other row the least is 0."""
    explained = row.outcome is not Outcome.UNCERTAIN or sum(row.cost_parts) == row.cost_nano
    return 0 if explained else row.cost_nano
