"""The way of one call: which deployment is attempted next, and when. Pure: no IO, no clock.

    a model's deployments, as `choice.py` chooses, each once; then again after a wait, while retries are left
    └── failed: the model's fallbacks, in order, each with deployments, retries and fallbacks of its own
        └── none is left: the deployments that cool down, of the first model that has any

A retry goes at once to a deployment that was not tried yet. Where there is none, it goes to the deployment
that may be asked again soonest. Time is the sum of the waits: an attempt takes time too, and only makes a
retry later. The caller is told the last error of the model that it asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf

from models_registry.drops import Drop, Reason
from models_registry.registry import Registry
from models_registry.routing.choice import NO_TRAITS, Sifted, View, choose, sift
from models_registry.routing.cooldowns import NOTHING_SENT
from models_registry.routing.failures import Again, FailureKind, kind_of
from models_registry.routing.fleet import Fleet
from models_registry.routing.followers import Following, following
from models_registry.routing.leg import Leg, Resort
from models_registry.routing.nobody import error_of, failure_of
from models_registry.routing.retries import granted, pause_s
from models_registry.routing.settings import MAX_FALLBACKS, Routing
from schema.errors.base import GatewayError, Told
from schema.errors.callers import ModelNotAllowed
from schema.errors.limits import DeploymentAtLimit
from schema.errors.models import ModelNotFound
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions

MOST_WAITING_S = 120.0
"""The most that a call waits in all."""
MOST_ATTEMPTS = 50
"""The most attempts of a call, whatever the config says."""
MOST_DROPS = 200
"""The most drops that a call notes."""
SLOT_WAIT_S = 0.2
"""How soon a deployment is asked again whose calls at once were as many as it may have."""
GOLDEN = 0.618_033_988_749_895
"""The step from one random number to the next, so that a call's numbers spread evenly over [0, 1)."""


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
    waits_for_slot = False
    """Whether the next attempt has to wait for its turn at one of the leg's `slots`."""
    notable = False
    """Whether there was something to decide."""
    _tells_limit = False
    """Whether `told` is about a limit of a deployment: then nothing was sent there."""
    _place = 0
    _attempts = 1
    _waited_s = 0.0
    _leg: Leg | None = None
    _drops: Sequence[Drop] = ()
    _resorts: Sequence[Resort] = ()

    def __init__(  # noqa: PLR0913  (all of it decides about the way)
        self,
        registry: Registry,
        routing: Routing,
        model: str,
        *,
        allowed: Sequence[AllowedModels],
        options: RouteOptions,
        roll: float,
        see: Callable[[], View] | None = None,
        plain: bool = False,
        dropped: list[Drop] | None = None,
    ) -> None:
        """`see` tells what a choice is made by, now. `plain`: no deployment cools down, and nothing of the
        request decides about deployments. `dropped` gets what was passed over where that leaves nothing.
        Raises ModelNotFound, ModelInError or ModelNotAllowed: for the
        model, and for a fallback that the request itself names. Raises what `nobody.py` has where no
        deployment fits the request."""
        self._registry = registry
        self._routing = routing
        self._allowed = allowed
        self._options = options
        self._roll = roll
        self._targets = registry.targets(model, allowed=allowed)
        self._model = model
        self._see = see
        if options is not AS_CONFIGURED:
            for field, names in options.named():
                for name in names:
                    self._check(name, field)
        if plain and len(self._targets) == 1:
            self.target = self._targets[0]
        else:
            self._begin(dropped)

    def advance(self, error: GatewayError) -> bool:
        """The attempt at `target` ended with this error. True where another one follows: `target` and
        `wait_s` are then those of the next attempt. Called once an attempt."""
        self.tells_last = self.waits_for_slot = False
        self.notable = True
        leg = self.leg  # most calls never need one
        kind = kind_of(error)
        if kind is None:
            if self.told is None or self._tells_limit:
                self._tell(error)  # nothing was sent, so the caller's own refusal is what the call ends with
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
        if self._retry(leg, kind, error) or self._fall_back(leg, kind):
            return True
        return kind is FailureKind.AT_LIMIT and self._enter_resort()

    def _first_leg(self) -> Leg:
        self._model = self._registry.real_name(self._model)
        self._leg = Leg(self._model, self._targets, 0)
        self._ahead: list[tuple[str, int]] = []
        self._seen = {self._model}
        self._entered = {self._model}
        return self._leg

    def _begin(self, dropped: list[Drop] | None) -> None:
        """Choose the first deployment."""
        self._model = self._registry.real_name(self._model)
        self.notable = True
        view = self._look()
        sifted = sift(self._model, self._targets, view)
        self._note(*sifted.drops.values())
        if sifted.fit:
            self._place = choose(self._targets, sifted.fit, view, self._roll)
            self.target = self._targets[self._place]
            return
        leg = self._first_leg()
        self._attempts = 0
        self._resorts = [Resort(leg, sifted.last)] if sifted.last else []
        if not self._fall_back(leg, failure_of(sifted.drops.values())) and not self._enter_resort():
            if dropped is not None:
                dropped += self._drops
            raise error_of(self._model, sifted.drops.values(), view.traits)

    def _look(self) -> View:
        see = self._see
        return View(self._routing.choice, NO_TRAITS, Fleet(), 0.0) if see is None else see()

    @property
    def drops(self) -> Sequence[Drop]:
        """What was passed over so far: first the deployments of the model asked for that are in error, then
        the rest in the order in which it was passed over."""
        return (*self._registry.in_error(self._model), *self._drops)

    def _note(self, *drops: Drop) -> None:
        self._drops = (*self._drops, *drops)[:MOST_DROPS]

    def _leave(self, leg: Leg, places: Iterable[int], reason: Reason) -> None:
        """Note that these deployments are passed over."""
        self._note(
            *(Drop(model=leg.model, model_id=leg.targets[each].model_id, reason=reason) for each in places)
        )

    def _leave_untried(self, leg: Leg, reason: Reason) -> None:
        places = range(len(leg.targets))
        self._leave(leg, (each for each in places if each not in (self._place, *leg.ready_s)), reason)

    def _leave_ahead(self, reason: Reason) -> None:
        """Pass over every fallback that is still ahead."""
        self._note(*(Drop(model=name, reason=reason) for name, _ in self._ahead))
        self._ahead.clear()

    def _tell(self, error: GatewayError) -> None:
        self.told, self.tells_last = Told.of(error), True
        self._tells_limit = isinstance(error, DeploymentAtLimit)

    def _check(self, name: str, field: str) -> None:
        try:
            self._registry.targets(name, allowed=self._allowed)
        except ModelNotFound as exc:
            raise type(exc)(exc.message, param=field) from exc

    def _retry(self, leg: Leg, kind: FailureKind, error: GatewayError) -> bool:
        if kind in NOTHING_SENT:
            return self._go_round(leg, error)
        again, most = granted(kind, self.target, self._routing, self._options, leg.model)
        if again is Again.NOWHERE:
            too_long = kind is FailureKind.CONTEXT_WINDOW
            self._leave_untried(leg, Reason.CONTEXT_TOO_SMALL if too_long else Reason.SAME_ANSWER)
            return False
        if self.retries >= most:
            return self._next_order(leg)
        pause_s = inf if again is Again.ELSEWHERE else self._pause_s(error)
        if pause_s == inf:
            reason = Reason.SAME_ANSWER if again is Again.ELSEWHERE else Reason.STAYS_AWAY
            self._leave(leg, (self._place,), reason)
        leg.ready_s[self._place] = self._waited_s + pause_s
        view = self._look()
        sifted = sift(leg.model, leg.targets, view)
        alone = len(leg.targets) == 1 and not self._has_ahead(leg, kind)
        places, ready_s = leg.choices(sifted, cooling_too=alone)
        wait_s = max(0.0, ready_s - self._waited_s)
        if self._waited_s + wait_s > MOST_WAITING_S:
            if wait_s < inf:
                self._leave(leg, places, Reason.WAITS_TOO_LONG)
            return False
        is_new = any(place not in leg.ready_s and place in sifted.fit for place in places)
        if not is_new and not view.fleet.may_retry(view.now):
            self._leave(leg, places, Reason.NO_RETRY_BUDGET)
            return False
        self.retries += 1
        self._go(leg, places, wait_s, view)
        return True

    def _next_order(self, leg: Leg) -> bool:
        """No retry is left. The deployments of the next `order` are asked all the same, each as a fallback of
        the one before."""
        view = self._look()
        fresh = [
            place
            for place in sift(leg.model, leg.targets, view).fit
            if place not in leg.ready_s and leg.targets[place].order > self.target.order
        ]
        if not fresh or not self._options.falls_back:
            self._leave_untried(leg, Reason.NO_RETRIES_LEFT)
            return False
        leg.ready_s[self._place] = inf
        self._go(leg, fresh, 0.0, view)
        return True

    def _go_round(self, leg: Leg, error: GatewayError) -> bool:
        """The deployment is at a limit of its own, or turned out to be no local one: nothing was sent, and
        going to another one is no retry."""
        limit = error if isinstance(error, DeploymentAtLimit) else None
        waits = limit is not None and limit.waits
        if not waits:
            self._leave(leg, (self._place,), Reason.NOT_LOCAL if limit is None else Reason.AT_LIMIT)
        if limit is not None and limit.takes_less:
            self._resorts = [Resort(leg, (self._place,), shorter=True), *self._resorts]
        leg.ready_s[self._place] = self._waited_s + (SLOT_WAIT_S if waits else inf)
        view = self._look()
        sifted = sift(leg.model, leg.targets, view)
        places, ready_s = leg.choices(sifted, cooling_too=not self._has_ahead(leg, FailureKind.AT_LIMIT))
        if ready_s == inf:
            return False
        self._go(leg, places, max(0.0, ready_s - self._waited_s), view)
        self.waits_for_slot = ready_s > 0.0  # else there is one that was not tried
        leg.full = [place for place in sifted.fit if leg.ready_s.get(place, inf) < inf] or places
        return True

    @property
    def leg(self) -> Leg:
        """The model that the call came to."""
        return self._leg or self._first_leg()

    def take_slot(self, model_id: str) -> None:
        """It is the call's turn at this deployment."""
        place = self.leg.place_of_slot(model_id)
        if place is not None:
            self._place, self.target = place, self.leg.targets[place]

    def _go(self, leg: Leg, places: Sequence[int], wait_s: float, view: View) -> None:
        self.wait_s = wait_s
        self._waited_s += wait_s
        self._attempts += 1
        self._place = choose(leg.targets, places, view, self._luck())
        self.target = leg.targets[self._place]

    def _has_ahead(self, leg: Leg, kind: FailureKind) -> bool:
        """Whether another model may follow."""
        return self._options.falls_back and bool(self._ahead or self._following(leg, kind)[0])

    def _pause_s(self, error: GatewayError) -> float:
        return pause_s(error, self.retries, self._routing.least_wait_s, self._luck())

    def _fall_back(self, leg: Leg, kind: FailureKind) -> bool:
        options = self._options
        finds_wrong = kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)
        depth, (names, drops) = leg.depth + 1, self._following(leg, kind)
        self._note(*drops)
        if depth <= self._routing.max_fallbacks:
            self._ahead[:0] = [(name, depth) for name in names]
        else:
            self._note(*(Drop(model=name, reason=Reason.CHAIN_TOO_LONG) for name in names))
        if not options.falls_back or (finds_wrong and not self._routing.on_bad_request):
            self._leave_ahead(Reason.NO_FALLBACK_WANTED)
            return False
        return self._enter_next()

    def _following(self, leg: Leg, kind: FailureKind) -> Following:
        return following(leg, kind, self._registry, self._routing, self._options)

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
            view = self._look()
            sifted = sift(name, found, view)
            self._note(*sifted.drops.values())
            leg = Leg(name, found, depth)
            if not sifted.fit:
                self._skip(leg, sifted)
                continue
            self._enter(leg, sifted.fit, view)
            return True
        self._leave_ahead(Reason.TOO_MANY)
        return self._enter_resort()

    def _enter_resort(self) -> bool:
        """Nothing else is left: go to one that cools down, once, or that has room for a shorter answer."""
        if not self._resorts:
            return False
        resort, *others = self._resorts
        self._resorts = [each for each in others if each.shorter]
        self._enter(resort.leg, resort.places, self._look())
        return True

    def _enter(self, leg: Leg, places: Sequence[int], view: View) -> None:
        """Go on with this model. The model asked for is no fallback of itself."""
        self.fallbacks += leg.depth > 0
        self.retries = 0
        self._leg = leg
        self._go(leg, places, 0.0, view)

    def _skip(self, leg: Leg, sifted: Sifted) -> None:
        """None of this model's deployments is to be asked now. Its own fallbacks may be."""
        if sifted.last:
            self._resorts = [*self._resorts, Resort(leg, sifted.last)]
        if leg.depth < self._routing.max_fallbacks:
            names, drops = self._following(leg, failure_of(sifted.drops.values()))
            self._note(*drops)
            self._ahead[:0] = [(name, leg.depth + 1) for name in names]

    def _luck(self) -> float:
        self._roll = (self._roll + GOLDEN) % 1.0
        return self._roll
