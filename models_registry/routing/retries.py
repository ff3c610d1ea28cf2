"""How often a failed call may be attempted again, and after which wait. Pure."""

from math import inf

from models_registry.routing.failures import Again, FailureKind
from models_registry.routing.settings import Routing
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.route_options import RouteOptions

LONGEST_WAIT_S = 60.0
"""A deployment whose provider says to come back later than this is not tried again."""
FIRST_WAIT_S = 0.5
MOST_BACKOFF_S = 8.0
JITTER = 0.25


def granted(
    kind: FailureKind, target: Target, routing: Routing, options: RouteOptions, model: str
) -> tuple[Again, int]:
    """Where a retry may go after a failure at this deployment of a model, and how many retries there may be.
    A retry policy that names the kind of error counts first. A request that wants no retries gets none."""
    wanted = options.retries
    policy = routing.policy_of(model)
    by_kind = policy.get(kind.policy, policy.get("DefaultRetries"))
    if by_kind is not None and wanted != 0:
        return Again.ANYWHERE, by_kind
    return kind.again, next(each for each in (wanted, target.retries, routing.retries) if each is not None)


def pause_s(error: GatewayError, retries: int, least_s: float, luck: float) -> float:
    """The wait before a deployment is asked again, after so many retries. Infinity: its provider said to stay
    away. `luck`, a number in [0, 1), spreads calls that failed together."""
    asked_s = error.retry_after_s or 0.0
    if asked_s > LONGEST_WAIT_S:
        return inf
    backoff_s = min(MOST_BACKOFF_S, FIRST_WAIT_S * 2**retries)
    return max(asked_s or backoff_s, least_s) * (1.0 + JITTER * luck)
