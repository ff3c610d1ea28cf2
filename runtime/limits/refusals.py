"""The error for a call that does not fit: its figures, and when the call would fit. Pure."""

from datetime import UTC, datetime
from types import MappingProxyType

from runtime.limits.leases import Shortfall
from schema.errors.base import GatewayError
from schema.errors.limits import BudgetExceeded, Left, RateLimited
from schema.limits import Meter
from schema.money import plain_usd

WORDS = MappingProxyType(
    {
        "api_key": "Key",
        "user": "User",
        "team": "Team",
        "team_member": "Team member",
        "organization": "Organization",
        "end_user": "End user",
        "proxy": "Proxy",
    }
)
UNITS = MappingProxyType(
    {
        Meter.REQUESTS: ("requests", "a minute"),
        Meter.TOKENS: ("tokens", "a minute"),
        Meter.DAY_TOKENS: ("tokens", "a day"),
        Meter.PARALLEL: ("max_parallel_requests", "at once"),
    }
)
LIMIT_TYPES = MappingProxyType(
    {
        Meter.REQUESTS: "requests",
        Meter.TOKENS: "tokens",
        Meter.DAY_TOKENS: "tokens",
        Meter.PARALLEL: "max_parallel_requests",
    }
)
"""LiteLLM's words for the header `rate_limit_type`."""
END_USER = "end_user"
PARALLEL_RETRY_S = 1.0


def refusal(standing: Shortfall, amount: int, *, held: int, now_s: float, budget_status: int) -> GatewayError:
    """The error for the account that was short. `amount` is what the whole call needs of the account. `held`
    is what the calls under way of this worker hold of it."""
    if standing.need.rule.meter is Meter.MONEY:
        return BudgetExceeded(_sum(standing, amount, held), status=budget_status)
    return _too_many(standing, amount, now_s)


def _sum(standing: Shortfall, amount: int, held: int) -> str:
    """The message about a budget: LiteLLM's opening words, then what counts against the limit."""
    rule = standing.need.rule
    word = WORDS.get(rule.who, rule.who.replace("_", " ").capitalize())
    resets = _moment(standing.window_end_s) if standing.window_end_s else "never"
    spent, limit = _dollars(standing.spent), _dollars(standing.limit)
    opening = f"Budget has been exceeded! {word}={rule.subject} Current cost: {spent}, Max budget: {limit}; "
    if rule.who == END_USER:
        name = rule.subject.removeprefix("customer ")
        opening = f"ExceededBudget: End User={name} over budget. Spend={spent}, Budget={limit}; "
    return (
        f"{opening}"
        f"{_held(standing, amount, held)}this call can cost up to {_dollars(amount)}; "
        f"resets: {resets}."
    )


def _held(standing: Shortfall, amount: int, held: int) -> str:
    """The sums that are neither spent nor left, by who has them. `standing.mine` includes what is free in
    this worker's slice."""
    free = amount - standing.need.amount
    others = standing.leased - standing.mine - standing.silent
    parts = {
        "held by calls under way": held,
        "settled and not yet booked": standing.mine - held - free,
        "leased by other workers": others,
        "uncertain until the journals of workers that are gone are read": standing.silent,
    }
    return "".join(f"{words}: {_dollars(nano)}; " for words, nano in parts.items() if nano > 0)


def _too_many(standing: Shortfall, amount: int, now_s: float) -> RateLimited:
    rule = standing.need.rule
    unit, per = UNITS[rule.meter]
    retry_s = PARALLEL_RETRY_S
    if standing.window_end_s:
        retry_s = max(0.001, standing.window_end_s - now_s)
    return RateLimited(
        f"Rate limit exceeded for {rule.who}: {rule.subject}. Limit type: {LIMIT_TYPES[rule.meter]}. "
        f"{unit} {per}: limit {standing.limit}, used {standing.leased}, this call needs {amount}; "
        f"try again in {retry_s:.1f} s.",
        retry_after_s=retry_s,
        limit_type=LIMIT_TYPES[rule.meter],
        reset_at_s=standing.window_end_s or now_s + retry_s,
        left=Left(rule.account, max(0, standing.limit - standing.leased)),
    )


def _dollars(nano: int) -> str:
    return f"{plain_usd(nano):f}"


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
