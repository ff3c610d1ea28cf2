"""A deployment's own limits and budgets as rules, and the error where one has no room. Pure.

They are leased as the limits of keys and teams are, so that they are exact over all workers.
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from models_registry.target import Capacity, Target
from runtime.limits.leases import Shortfall
from runtime.limits.refusals import LIMIT_TYPES
from schema.errors.limits import DeploymentAtLimit
from schema.limits import Meter, Rule

OWNER = "deployment"
"""The `who` of these rules. A caller's own rules never have it."""
SLOTS = f"{Meter.PARALLEL.value}:{OWNER}:"
"""How the accounts of deployments' slots begin. The id of the deployment follows."""
WHAT = MappingProxyType(
    {
        Meter.MONEY: "budget",
        Meter.REQUESTS: "requests a minute",
        Meter.TOKENS: "tokens a minute",
        Meter.PARALLEL: "calls at once",
    }
)
BUDGET = "budget"


def rules_of(target: Target) -> tuple[Rule, ...]:
    """The rules of a deployment. Empty: it has none."""
    return () if target.capacity is None else tuple(_rules(target.model_id, target.capacity))


def _rules(model_id: str, capacity: Capacity) -> Iterator[Rule]:
    for each in capacity.budgets:
        yield Rule(
            account=each.account(model_id),
            meter=Meter.MONEY,
            who=OWNER,
            subject=f"provider {each.provider}" if each.provider else f"deployment {model_id}",
            limit=each.limit_nano,
            duration=each.duration,
        )
    limits = (
        (Meter.REQUESTS, capacity.rpm, "1m"),
        (Meter.TOKENS, capacity.tpm, "1m"),
        (Meter.PARALLEL, capacity.parallel, None),
    )
    for meter, limit, duration in limits:
        if limit is not None:
            yield Rule(
                account=f"{meter.value}:deployment:{model_id}",
                meter=meter,
                who=OWNER,
                subject=f"deployment {model_id}",
                limit=limit,
                duration=duration,
            )


def told_first(standings: Sequence[Shortfall]) -> Shortfall:
    """The account that a refusal is about: one of the caller's, since no deployment helps then. Of a
    deployment's it is one that is short for longer than until a call ends."""
    return min(
        standings,
        key=lambda each: (
            each.need.rule.who == OWNER,
            each.need.rule.who == OWNER and each.need.rule.meter is Meter.PARALLEL,
        ),
    )


def at_limit(standing: Shortfall, now_s: float) -> DeploymentAtLimit:
    """The error for a call that a deployment has no room for."""
    rule = standing.need.rule
    retry_s = max(0.001, standing.window_end_s - now_s) if standing.window_end_s else 1.0
    what = f"The {rule.subject} is at its limit of {WHAT[rule.meter]}"
    if rule.meter is not Meter.MONEY:  # how much may be spent is not a caller's to know
        what += f" ({rule.limit})"
    return DeploymentAtLimit(
        f"{what}; try again in {retry_s:.1f} s.",
        retry_after_s=retry_s,
        limit_type=LIMIT_TYPES.get(rule.meter, BUDGET),
        reset_at_s=standing.window_end_s or now_s + retry_s,
        waits=rule.meter is Meter.PARALLEL,
    )


def too_large(rule: Rule, tokens: int) -> DeploymentAtLimit:
    """The error for a call that is larger than the whole limit."""
    return DeploymentAtLimit(
        f"The {rule.subject} takes {rule.limit} tokens a minute, and this call needs about {tokens}.",
        limit_type=LIMIT_TYPES[rule.meter],
    )
