"""The most that an attempt can cost, and how much output fits into what is left of a budget."""

from functions.ports.models import Bounds
from models_registry.prices.price import AtMost, Price, ceiling_nano
from models_registry.target import Target
from runtime.limits.capacities import OWNER
from runtime.limits.shortfalls import NotEnough
from schema.errors.base import shortened
from schema.errors.limits import BudgetExceeded, UnboundedCost


def full_ceiling(target: Target, bounds: Bounds) -> int | None:
    """The most that an attempt can cost, in nano-USD. None where the cost has no bound until the output is
    limited. Raises UnboundedCost where even such a limit would not bound the cost: the price is unknown, or a
    field's cost is."""
    price = target.price
    if price is None:
        raise UnboundedCost(
            f"{target.public_name} has no known price, and this call is under a budget. Give it a "
            "price in the config (input_cost_per_token: 0 marks it free).",
            param="model",
        )
    field = bounds.unbounded_field()
    if field is not None:
        if target.max_call_nano is None:
            path, name = shortened(field.path), shortened(field.name)
            raise UnboundedCost(
                f"{path}: what this costs has no known bound, and this call is under a budget. "
                f"The config can say that it costs nothing (free_params: [{name}] in the deployment's "
                "model_info or in general_settings), or state a bound (model_info.max_call_cost).",
                param=path,
            )
        return target.max_call_nano
    output = bounds.output_tokens
    return None if output is None else ceiling_of(price, bounds, output)


def ceiling_of(price: Price, bounds: Bounds, output: int) -> int:
    """The most that a call with `output` output tokens can cost, in nano-USD, judged from its request."""
    most = AtMost(
        bounds.prompt_tokens,
        output,
        images=bounds.images if price.image else 0,
        searches=bounds.searches if price.searches[2] else 0,
        at_list_price=bool(price.services) and bounds.at_list_price,
    )
    return ceiling_nano(price, most)


def is_free(price: Price | None) -> bool:
    """Whether nothing costs anything at this price. An unknown price (None) is not free."""
    return price is not None and price.is_free


def affordable(target: Target, bounds: Bounds, nano: int) -> int:
    """How many tokens each answer of the call can have for `nano` nano-USD."""
    price = target.price
    assert price is not None, "what has no price is not let in under a budget"
    beside = bounds.beside * bounds.answers
    base = ceiling_of(price, bounds, beside)
    per_million = max(1, ceiling_of(price, bounds, beside + 1_000_000) - base)
    return max(0, nano - base) * 1_000_000 // per_million // bounds.answers


def free_nano(error: BudgetExceeded, target: Target, bounds: Bounds) -> int:
    """What the caller's budgets had left for a call that was refused, in nano-USD: what the call asked for,
    less the largest sum that one of them was short of."""
    asked, short = full_ceiling(target, bounds), error.__cause__
    if asked is None or not isinstance(short, NotEnough):
        return 0
    missing = (
        each.need.amount - max(0, each.limit - each.spent - each.leased)
        for each in short.standings
        if each.need.rule.who != OWNER
    )
    return asked - max(missing)
