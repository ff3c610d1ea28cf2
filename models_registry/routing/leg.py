"""A model that a call came to, and when each of its deployments may be asked again."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from models_registry.routing.choice import Sifted
from models_registry.target import Target


class Leg:
    """A model that the call came to, and when each of its deployments may be asked again."""

    def __init__(self, model: str, targets: Sequence[Target], depth: int) -> None:
        self.model = model
        self.targets = targets
        self.depth = depth
        """How many fallbacks lead from the model asked for to this one."""
        self.ready_s: dict[int, float] = {}
        """When a deployment that was tried may be asked again, by its place. Infinity: never."""
        self.full: Sequence[int] = ()
        """The places of the deployments whose slots were all taken, where the call waits for one."""

    @property
    def slots(self) -> frozenset[str]:
        """The ids of the deployments of which the call may take a slot, as soon as one is free."""
        return frozenset(self.targets[place].model_id for place in self.full)

    @property
    def hall(self) -> str:
        """What the calls that compete for these slots have in common: the id of the first deployment. The
        names of a wildcard share its deployments, and teams may give their own models the same name."""
        return self.targets[0].model_id

    def place_of_slot(self, model_id: str) -> int | None:
        return next((place for place in self.full if self.targets[place].model_id == model_id), None)

    def choices(self, sifted: Sifted, *, cooling_too: bool) -> tuple[Sequence[int], float]:
        """The places of the deployments that may be asked soonest, and when. Those that were not tried may be
        asked at 0. `cooling_too`: those that cool down may be asked, where no other may."""
        ready = self.ready_s
        fresh = [place for place in sifted.fit if place not in ready]
        if fresh:
            return fresh, 0.0
        times = {place: at for place in sifted.fit if (at := ready[place]) < inf}
        if not times and cooling_too:
            times = {place: ready.get(place, 0.0) for place in sifted.last}
        soonest_s = min(times.values(), default=inf)
        return [place for place, ready_s in times.items() if ready_s == soonest_s], soonest_s


class Resort(NamedTuple):
    """Deployments of a model that are asked where nothing else is left: they cool down, or have room for a
    shorter answer alone."""

    leg: Leg
    places: Sequence[int]
    shorter: bool = False
    """Whether they have room for a shorter answer."""
