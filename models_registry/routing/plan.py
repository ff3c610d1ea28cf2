"""The whole way of a call before it is made: where it would go if each attempt failed. It changes nothing.

The route itself works it out, and is told that each deployment failed: a plan and a real call can't differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from models_registry.drops import Drop, Reason
from models_registry.registry import Registry
from models_registry.routing.choice import View
from models_registry.routing.route import Route
from models_registry.routing.settings import Routing
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.upstream import ProviderError
from schema.models import AllowedModels
from schema.route_options import RouteOptions

MOST_RETRIES = 1_000
_GONE = ProviderError("Not sent.", status=404)
"""The failure that each attempt of a plan has: it goes on to every other deployment, and to the fallbacks."""
_OF_THE_PLAN = frozenset({Reason.SAME_ANSWER, Reason.NO_RETRIES_LEFT})
"""Reasons that the failures of a plan have, and a real call may not have."""


class Candidate(NamedTuple):
    """A deployment that the call would come to."""

    target: Target
    fallbacks: int
    """How many models the call would have fallen back from."""


class RoutePlan(NamedTuple):
    candidates: Sequence[Candidate]
    """In the order in which they would be attempted. Empty: the call is refused."""
    drops: Sequence[Drop]
    refusal: GatewayError | None
    """Why the call is refused before anything is sent."""


def plan_route(  # noqa: PLR0913  (all of it decides about the way)
    registry: Registry,
    routing: Routing,
    model: str,
    *,
    allowed: Sequence[AllowedModels],
    options: RouteOptions,
    view: View,
    roll: float,
) -> RoutePlan:
    """The plan of a call. Raises nothing."""
    seen = view._replace(fleet=view.fleet.scratch())
    dropped: list[Drop] = []
    every = msgspec.structs.replace(routing, policy={}, model_policies={})
    try:
        route = Route(
            registry,
            every,
            model,
            allowed=allowed,
            options=options._replace(retries=MOST_RETRIES),
            roll=roll,
            see=lambda: seen,
            dropped=dropped,
        )
    except GatewayError as refused:
        return RoutePlan((), [*registry.in_error(model), *dict.fromkeys(dropped)], refused)
    found = [Candidate(route.target, route.fallbacks)]
    while route.advance(_GONE):
        found.append(Candidate(route.target, route.fallbacks))
    drops = [drop for drop in route.drops if drop.reason not in _OF_THE_PLAN]
    return RoutePlan(found, list(dict.fromkeys(drops)), None)
