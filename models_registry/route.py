"""The way of one call: which deployment is attempted next, and when. Pure: no IO, no clock.

    a model's deployments, by weight, each once; then again after a wait, as often as retries are left
    └── failed: the model's fallbacks, in order, each with deployments, retries and fallbacks of its own

A retry goes to a deployment that was not tried yet, at once, where there is one. What the call is told in the
end is the error of the model it asked for.
"""

from collections.abc import Sequence
from functools import cached_property

from models_registry.failures import (
    BAD_REQUEST,
    CONTENT_POLICY,
    CONTEXT_WINDOW,
    UNSUPPORTED,
    Again,
    Kind,
    kind_of,
)
from models_registry.registry import Registry, pick
from models_registry.routing import MAX_FALLBACKS, Routing, fallbacks_of
from schema.errors import GatewayError, ModelNotAllowed, ModelNotFound
from schema.models import AllowedModels
from schema.route_options import RouteOptions

LONGEST_WAIT_S = 60.0
"""A provider that says to stay away for longer is not tried again."""
FIRST_WAIT_S = 0.5
MOST_BACKOFF_S = 8.0
JITTER = 0.25
GOLDEN = 0.618_033_988_749_895
"""Turns one roll into a spread-out row of them."""


class Route:
    """`target` is the deployment to attempt now, `wait_s` how long to wait before."""

    retries = 0
    """Of the model attempted now."""
    fallbacks = 0
    """How many models were fallen back to."""
    wait_s = 0.0
    error: GatewayError | None = None
    """What the caller is told where nothing else succeeds: the last error of the model asked for."""
    _depth = 0
    _goes_on = False
    _decided: GatewayError | None = None

    def __init__(
        self,
        registry: Registry,
        routing: Routing,
        model: str,
        *,
        allowed: Sequence[AllowedModels],
        options: RouteOptions,
        roll: float,
    ) -> None:
        """Raises ModelNotFound or ModelNotAllowed, of fallbacks too that the request names itself."""
        self._registry = registry
        self._routing = routing
        self._allowed = allowed
        self._options = options
        self._roll = roll
        self._model = model
        self._targets = registry.targets(model, allowed=allowed)
        for name in options.fallbacks or ():
            registry.targets(name, allowed=allowed)
        self.target = self._targets[0] if len(self._targets) == 1 else pick(self._targets, roll)

    @cached_property
    def _tried(self) -> set[str]:
        """Deployments of the model attempted now."""
        return set()

    @cached_property
    def _ahead(self) -> list[tuple[str, int]]:
        """Models to fall back to, the next one first, and how far each is from the one asked for."""
        return []

    @cached_property
    def _seen(self) -> set[str]:
        return {self._model}

    def goes_on(self, error: GatewayError) -> bool:
        """Is there another attempt after the one that ended with this? Then `target` and `wait_s` are its.
        Decided once for an error."""
        if error is not self._decided:
            self._decided = error
            self._goes_on = self._step(error)
        return self._goes_on

    def _step(self, error: GatewayError) -> bool:
        kind = kind_of(error)
        if kind is None:
            self.error = self.error or error
            return False
        if not self.fallbacks:
            self.error = error
        return self._retry(kind, error) or self._fall_back(kind)

    def _retry(self, kind: Kind, error: GatewayError) -> bool:
        again, most = self._granted(kind)
        if self.retries >= most or again is Again.NOWHERE:
            return False
        self._tried.add(self.target.model_id)
        fresh = [each for each in self._targets if each.model_id not in self._tried]
        if fresh:
            self.wait_s = 0.0
        elif again is Again.ELSEWHERE or (error.retry_after_s or 0.0) > LONGEST_WAIT_S:
            return False
        else:
            fresh = list(self._targets)
            self.wait_s = self._wait(error)
        self.retries += 1
        self.target = pick(fresh, self._luck())
        return True

    def _granted(self, kind: Kind) -> tuple[Again, int]:
        """Where a retry may go, and how many there may be. A retry policy that names the kind of error
        decides; a request that wants none gets none."""
        wanted = self._options.retries
        policy = self._routing.policy_of(self._model)
        by_kind = policy.get(kind.policy, policy.get("DefaultRetries"))
        if by_kind is not None and wanted != 0:
            return Again.ANYWHERE, by_kind
        own = self.target.retries
        return kind.again, next(each for each in (wanted, own, self._routing.retries) if each is not None)

    def _wait(self, error: GatewayError) -> float:
        asked_s = error.retry_after_s or 0.0
        backoff_s = min(MOST_BACKOFF_S, FIRST_WAIT_S * 2**self.retries)
        wait_s = max(asked_s or backoff_s, self._routing.least_wait_s)
        return float(wait_s * (1.0 + JITTER * self._luck()))

    def _fall_back(self, kind: Kind) -> bool:
        options = self._options
        if not options.falls_back or (
            kind in (BAD_REQUEST, UNSUPPORTED) and not self._routing.on_bad_request
        ):
            return False
        depth = self._depth + 1
        if depth <= self._routing.max_fallbacks:
            self._ahead[:0] = [(name, depth) for name in self._next_of(kind)]
        while self._ahead and self.fallbacks < MAX_FALLBACKS:
            name, depth = self._ahead.pop(0)
            if name not in self._seen and self._enter(name):
                self._depth = depth
                return True
        return False

    def _next_of(self, kind: Kind) -> Sequence[str]:
        """The fallbacks of the model at hand for such an error. A request's own count before the config's,
        and its `fallbacks` for every model."""
        options, routing, model = self._options, self._routing, self._model
        special = None
        if kind is CONTEXT_WINDOW:
            lists = options.context_window_fallbacks
            special = fallbacks_of(routing.context_window_fallbacks if lists is None else lists, model)
        elif kind is CONTENT_POLICY:
            lists = options.content_policy_fallbacks
            special = fallbacks_of(routing.content_policy_fallbacks if lists is None else lists, model)
        if special is not None:
            return special
        return (
            fallbacks_of(routing.fallbacks, model) or () if options.fallbacks is None else options.fallbacks
        )

    def _enter(self, model: str) -> bool:
        """Go on with another model, where there is such a one and the caller may use it."""
        self._seen.add(model)
        try:
            targets = self._registry.targets(model, allowed=self._allowed)
        except (ModelNotFound, ModelNotAllowed):
            return False
        self.fallbacks += 1
        self.retries, self.wait_s = 0, 0.0
        self._tried.clear()
        self._model, self._targets = model, targets
        self.target = pick(targets, self._luck())
        return True

    def _luck(self) -> float:
        self._roll = (self._roll + GOLDEN) % 1.0
        return self._roll
