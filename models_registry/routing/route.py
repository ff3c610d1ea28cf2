"""The way of one call: which deployment is attempted next, and when. Pure: no IO, no clock.

    a model's deployments, by weight, each once; then again after a wait, as often as retries are left
    └── failed: the model's fallbacks, in order, each with deployments, retries and fallbacks of its own

A retry goes at once to a deployment that was not tried yet. Where there is none, it goes to the deployment
that may be asked again soonest. Time is the sum of the waits: an attempt takes time too, and only makes a
retry later. The caller is told the last error of the model that it asked for.
"""

from collections.abc import Iterable, Sequence
from math import inf

from models_registry.drops import Drop, Reason
from models_registry.registry import Registry, pick
from models_registry.routing.failures import Again, FailureKind, kind_of
from models_registry.routing.settings import ANY, MAX_FALLBACKS, Fallbacks, Routing, fallbacks_of
from models_registry.target import Target
from schema.errors import GatewayError, ModelNotAllowed, ModelNotFound, Told
from schema.models import AllowedModels
from schema.route_options import RouteOptions

LONGEST_WAIT_S = 60.0
"""A deployment whose provider says to come back later than this is not tried again."""
MOST_WAITING_S = 120.0
"""The most that a call waits in all."""
MOST_ATTEMPTS = 50
"""The most attempts of a call, whatever the config says."""
MOST_DROPS = 200
"""The most drops that a call notes."""
FIRST_WAIT_S = 0.5
MOST_BACKOFF_S = 8.0
JITTER = 0.25
GOLDEN = 0.618_033_988_749_895
"""The step from one random number to the next, so that a call's numbers spread evenly over [0, 1)."""


class _Leg:
    """A model that the call came to, and when each of its deployments may be asked again."""

    def __init__(self, model: str, targets: Sequence[Target], depth: int) -> None:
        self.model = model
        self.targets = targets
        self.depth = depth
        """How many fallbacks lead from the model asked for to this one."""
        self.ready_s: dict[int, float] = {}
        """When a deployment that was tried may be asked again, by its place. Infinity: never."""

    def choices(self) -> tuple[list[int], float]:
        """The places of the deployments that may be asked soonest, and when. Those that were not tried may be
        asked at 0."""
        fresh = [place for place in range(len(self.targets)) if place not in self.ready_s]
        if fresh:
            return [place for place in fresh if self.targets[place].weight > 0] or fresh, 0.0
        soonest_s = min(self.ready_s.values())
        return [place for place, ready_s in self.ready_s.items() if ready_s == soonest_s], soonest_s


class Route:
    """The way of one call. `target` is the deployment to attempt now, `wait_s` how long to wait before.

    A route keeps no exception: a traceback holds the frames of the call, and one of these frames holds the
    route."""

    retries = 0
    """The retries at the model that is attempted now."""
    fallbacks = 0
    """How many models the call fell back to."""
    wait_s = 0.0
    told: Told | None = None
    """The error that the caller is told where no later attempt succeeds."""
    tells_last = False
    """Whether `told` is the error of the last attempt."""
    _place = 0
    _attempts = 1
    _waited_s = 0.0
    _leg: _Leg | None = None
    _drops: Sequence[Drop] = ()

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
        """Raises ModelNotFound, ModelInError or ModelNotAllowed: for the model, and for a fallback that the
        request itself names."""
        self._registry = registry
        self._routing = routing
        self._allowed = allowed
        self._options = options
        self._roll = roll
        self._model = model
        self._targets = registry.targets(model, allowed=allowed)
        self._place = 0 if len(self._targets) == 1 else pick(self._targets, roll)
        self.target = self._targets[self._place]
        for field, names in options.named():
            for name in names:
                self._check(name, field)

    def advance(self, error: GatewayError) -> bool:
        """The attempt at `target` ended with this error. True where another one follows: `target` and
        `wait_s` are then those of the next attempt. Called once an attempt."""
        self.tells_last = False
        leg = self._leg
        if leg is None:  # most calls never need one
            leg = self._leg = _Leg(self._model, self._targets, 0)
            self._ahead: list[tuple[str, int]] = []
            self._seen = {self._model}
            self._entered = {self._model}
            self._drops = []
        kind = kind_of(error)
        if kind is None:
            if self.told is None:
                self._tell(error)
            if not self.fallbacks or not isinstance(error, ModelNotAllowed):
                return False
            # a fallback that is not for this customer is passed over
            self._note(Drop(model=leg.model, reason=Reason.NOT_ALLOWED, detail=error.level))
            return self._enter_next()
        if not self.fallbacks:
            self._tell(error)
        if self._attempts >= MOST_ATTEMPTS:
            self._leave_untried(leg, Reason.TOO_MANY)
            self._leave_ahead(Reason.TOO_MANY)
            return False
        return self._retry(leg, kind, error) or self._fall_back(leg, kind)

    @property
    def drops(self) -> Sequence[Drop]:
        """What was passed over so far: first the deployments of the model asked for that are in error, then
        the rest in the order in which it was passed over."""
        return (*self._registry.in_error(self._model), *self._drops)

    def _note(self, *drops: Drop) -> None:
        self._drops = (*self._drops, *drops)[:MOST_DROPS]

    def _leave(self, leg: _Leg, places: Iterable[int], reason: Reason) -> None:
        """Note that these deployments are passed over."""
        self._note(
            *(Drop(model=leg.model, model_id=leg.targets[each].model_id, reason=reason) for each in places)
        )

    def _leave_untried(self, leg: _Leg, reason: Reason) -> None:
        places = range(len(leg.targets))
        self._leave(leg, (each for each in places if each not in (self._place, *leg.ready_s)), reason)

    def _leave_ahead(self, reason: Reason) -> None:
        """Pass over every fallback that is still ahead."""
        self._note(*(Drop(model=name, reason=reason) for name, _ in self._ahead))
        self._ahead.clear()

    def _tell(self, error: GatewayError) -> None:
        self.told, self.tells_last = Told.of(error), True

    def _check(self, name: str, field: str) -> None:
        try:
            self._registry.targets(name, allowed=self._allowed)
        except ModelNotFound as exc:
            raise type(exc)(exc.message, param=field) from exc

    def _retry(self, leg: _Leg, kind: FailureKind, error: GatewayError) -> bool:
        again, most = self._granted(leg, kind)
        if again is Again.NOWHERE:
            too_long = kind is FailureKind.CONTEXT_WINDOW
            self._leave_untried(leg, Reason.CONTEXT_TOO_SMALL if too_long else Reason.SAME_ANSWER)
            return False
        if self.retries >= most:
            self._leave_untried(leg, Reason.NO_RETRIES_LEFT)
            return False
        pause_s = inf if again is Again.ELSEWHERE else self._pause(error)
        if pause_s == inf:
            reason = Reason.SAME_ANSWER if again is Again.ELSEWHERE else Reason.STAYS_AWAY
            self._leave(leg, (self._place,), reason)
        leg.ready_s[self._place] = self._waited_s + pause_s
        places, ready_s = leg.choices()
        wait_s = max(0.0, ready_s - self._waited_s)
        if self._waited_s + wait_s > MOST_WAITING_S:
            if wait_s < inf:
                self._leave(leg, places, Reason.WAITS_TOO_LONG)
            return False
        self.retries += 1
        self._go(leg, places, wait_s)
        return True

    def _go(self, leg: _Leg, places: Sequence[int], wait_s: float) -> None:
        self.wait_s = wait_s
        self._waited_s += wait_s
        self._attempts += 1
        self._place = places[pick([leg.targets[place] for place in places], self._luck())]
        self.target = leg.targets[self._place]

    def _granted(self, leg: _Leg, kind: FailureKind) -> tuple[Again, int]:
        """Where a retry may go, and how many retries there may be. A retry policy that names the kind of
        error counts first. A request that wants no retries gets none."""
        wanted = self._options.retries
        policy = self._routing.policy_of(leg.model)
        by_kind = policy.get(kind.policy, policy.get("DefaultRetries"))
        if by_kind is not None and wanted != 0:
            return Again.ANYWHERE, by_kind
        own = self.target.retries
        return kind.again, next(each for each in (wanted, own, self._routing.retries) if each is not None)

    def _pause(self, error: GatewayError) -> float:
        """The wait before this deployment is asked again. Infinity: its provider said to stay away."""
        asked_s = error.retry_after_s or 0.0
        if asked_s > LONGEST_WAIT_S:
            return inf
        backoff_s = min(MOST_BACKOFF_S, FIRST_WAIT_S * 2**self.retries)
        return max(asked_s or backoff_s, self._routing.least_wait_s) * (1.0 + JITTER * self._luck())

    def _fall_back(self, leg: _Leg, kind: FailureKind) -> bool:
        options = self._options
        finds_wrong = kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)
        depth, names = leg.depth + 1, self._next_of(leg, kind)
        if depth <= self._routing.max_fallbacks:
            self._ahead[:0] = [(name, depth) for name in names]
        else:
            self._note(*(Drop(model=name, reason=Reason.CHAIN_TOO_LONG) for name in names))
        if not options.falls_back or (finds_wrong and not self._routing.on_bad_request):
            self._leave_ahead(Reason.NO_FALLBACK_WANTED)
            return False
        return self._enter_next()

    def _next_of(self, leg: _Leg, kind: FailureKind) -> Sequence[str]:
        """The fallbacks of a model after such an error. Those that the request names count before the
        config's. The request's `fallbacks` are for every model."""
        options, routing = self._options, self._routing
        special = None
        if kind is FailureKind.CONTEXT_WINDOW:
            lists = options.context_window_fallbacks
            special = self._listed(routing.context_window_fallbacks if lists is None else lists, leg)
        elif kind is FailureKind.CONTENT_POLICY:
            lists = options.content_policy_fallbacks
            special = self._listed(routing.content_policy_fallbacks if lists is None else lists, leg)
        if special is not None:
            return special
        general = options.fallbacks
        return (self._listed(routing.fallbacks, leg) or ()) if general is None else general

    def _listed(self, lists: Fallbacks, leg: _Leg) -> Sequence[str] | None:
        """The fallbacks of a model: its own list, else the list for any model. From the list for any model a
        local model falls back to local models alone, since its calls leave only where its own list says
        so."""
        own, for_any = fallbacks_of(lists, leg.model), lists.get(ANY)
        if own is not None or for_any is None or not _are_local(leg.targets):
            return for_any if own is None else own
        local = []
        for name in for_any:
            found = self._registry.find(name, allowed=())
            if isinstance(found, Drop):
                self._note(found)
            elif _are_local(found):
                local.append(name)
            else:
                self._note(Drop(model=name, reason=Reason.NOT_LOCAL))
        return local

    def _enter_next(self) -> bool:
        """Go on with the next fallback that exists and that the caller may use. False: there is none."""
        while self._ahead and self.fallbacks < MAX_FALLBACKS:
            name, depth = self._ahead.pop(0)
            if name in self._seen:
                if name in self._entered:
                    self._note(Drop(model=name, reason=Reason.ALREADY_TRIED))
                continue
            self._seen.add(name)
            found = self._registry.find(name, allowed=self._allowed)
            if isinstance(found, Drop):
                self._note(found)
                continue
            self._entered.add(name)
            self._note(*self._registry.in_error(name))
            self.fallbacks += 1
            self.retries = 0
            leg = self._leg = _Leg(name, found, depth)
            self._go(leg, range(len(found)), 0.0)
            return True
        self._leave_ahead(Reason.TOO_MANY)
        return False

    def _luck(self) -> float:
        self._roll = (self._roll + GOLDEN) % 1.0
        return self._roll


def _are_local(targets: Sequence[Target]) -> bool:
    return all(target.local for target in targets)
