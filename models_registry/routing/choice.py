"""Which deployments of a model a call may go to, and which of these comes first. Pure.

    deployments ── may not (`sift`: each with the reason) ──> dropped
         └── may (`choose`) ──> gave the last response ──> lowest `order` ──> has the model loaded
                   ──> same session ──> strategy

A deployment that cools down, or whose last health check failed, is a last resort: it is asked where the model
has no other deployment and no fallback.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from math import log
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from models_registry.drops import Drop, Reason
from models_registry.prices.price import Price
from models_registry.registry import pick
from models_registry.routing.cooldowns import cools
from models_registry.routing.fleet import DeploymentHealth, Fleet, Standing
from models_registry.routing.tag_wish import wish_of
from models_registry.target import Target

MARGIN = 0.75
"""The estimate of a request's tokens may be too high by a third: only a request that is too long beyond that
is kept from a model."""
UNKNOWN_MS = 1.0
"""What a deployment of unknown latency counts for each call under way there. It is asked soon, and not by all
calls at once."""
LOADED_S = 300.0
"""How long a local host keeps a model loaded after a call: Ollama's own `keep_alive`."""
LOCAL_SLOTS = 4
"""So many calls at once keep a local host from being preferred, where its config has no limit: as many as
Ollama answers at once at most by itself."""
DEFAULT_TAG = "default"
"""The tag of deployments for requests without a tag, and for those whose tags no deployment has."""


class Strategy(enum.Enum):
    """How a deployment is chosen, in LiteLLM's words."""

    SHUFFLE = "simple-shuffle"
    LEAST_BUSY = "least-busy"
    LATENCY = "latency-based-routing"
    USAGE = "usage-based-routing"
    USAGE_2 = "usage-based-routing-v2"
    COST = "cost-based-routing"


class Affinity(enum.Enum):
    """What keeps calls at one deployment, in LiteLLM's words."""

    SESSION = "session_affinity"
    """The session that a call names."""
    KEY = "deployment_affinity"
    """The key that calls."""
    PROMPT = "prompt_caching"
    """The beginning of a conversation, which a provider may have in its cache."""


class ChoiceRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the config says about choosing."""

    strategy: Strategy = Strategy.SHUFFLE
    checks_context: bool = False
    """Whether a request goes only to models that it is not too long for (`enable_pre_call_checks`)."""
    checks_tags: bool = False
    any_tag: bool = True
    """Whether one common tag is enough. False: the deployment must have all tags of the request."""
    affinities: tuple[Affinity, ...] = ()
    check_stale_s: float = 0.0
    """How long a failed health check keeps calls away. 0: for no time (`enable_health_check_routing`)."""

    @property
    def simple(self) -> bool:
        """Whether no deployment is left out because of what a request says."""
        return not (self.checks_context or self.checks_tags)


class Shape(NamedTuple):
    """What a body says that decides about deployments. What takes time to work out is worked out when it is
    asked for."""

    streamed: bool = False
    input_tokens: Callable[[], int] = int
    """About how many tokens the request has. 0: nobody can say."""
    opening: Callable[[], str] = str
    """What stands for the beginning of the conversation. Empty: nothing does."""
    stays: str = ""
    """The id of the deployment that gave the response which the request goes on from. Empty: none did."""


class CallTraits(NamedTuple):
    """What a call says that decides about deployments."""

    shape: Shape = Shape()
    tags: Sequence[str] = ()
    region: str = ""
    """Where the model must be, such as `eu`. Empty: anywhere."""
    session: str = ""
    """The session that the call names. Empty: none."""
    key: str = ""
    """The hash of the calling key."""
    stays_local: bool = False
    """Whether the call may go to local deployments alone."""


NO_TRAITS = CallTraits()


class Sifted(NamedTuple):
    """The places of deployments in their model's list."""

    fit: Sequence[int]
    """May be asked."""
    last: Sequence[int]
    """May be asked where nothing else is left."""
    drops: Mapping[int, Drop]
    """Why the others are not asked, and the last ones not yet, by place."""


class View(NamedTuple):
    """What a choice is made by: the config, the request, how the deployments stand, and when."""

    choice: ChoiceRules
    traits: CallTraits
    fleet: Fleet
    now: float


def sift(model: str, targets: Sequence[Target], view: View) -> Sifted:
    """The deployments that a call may go to."""
    choice, traits, fleet, now = view
    drops: dict[int, Drop] = {}
    tagged = _tagged(targets, choice, traits) if choice.checks_tags else None
    tokens = traits.shape.input_tokens() if choice.checks_context else 0
    last = []
    for place, target in enumerate(targets):
        reason, detail = None, ""
        window = target.context_window
        if traits.stays_local and not target.residency.is_local:
            reason = Reason.NOT_LOCAL
        elif tagged is not None and place not in tagged:
            reason, detail = Reason.OTHER_TAGS, ", ".join(sorted(target.tags))
        elif traits.region and not in_region(target.region, traits.region):
            reason, detail = Reason.OTHER_REGION, target.region or "unknown"
        elif tokens and window is not None and tokens * MARGIN > window:
            reason, detail = Reason.CONTEXT_TOO_SMALL, f"about {tokens} tokens, and it takes {window}"
        if reason is None:
            standing = fleet.find(target)
            if standing is None:
                continue
            if cools(standing.record, now):
                reason, detail = Reason.COOLING, told_cooldown(standing, now)
            elif standing.state(now, choice.check_stale_s) is DeploymentHealth.UNHEALTHY:
                reason, detail = Reason.UNHEALTHY, standing.check_error
            else:
                continue
            last.append(place)
        drops[place] = Drop(model=model, model_id=target.model_id, reason=reason, detail=detail)
    return Sifted([place for place in range(len(targets)) if place not in drops], last, drops)


def told_cooldown(standing: Standing, now: float) -> str:
    """A cooldown in words, such as `rate limit, 4.2 s more`."""
    record = standing.record
    left_s = record.until - now
    return f"{record.why}, {left_s:.1f} s more" if left_s > 0 else f"{record.why}, a call is probing"


def choose(targets: Sequence[Target], places: Sequence[int], view: View, roll: float) -> int:
    """The place that comes first. `roll`, a number in [0, 1), decides what chance decides. A deployment with
    a weight of 0 comes last."""
    if len(places) == 1:
        return places[0]
    stays = view.traits.shape.stays
    if stays:
        home = next((place for place in places if targets[place].model_id == stays), None)
        if home is not None:
            return home
    least = min(targets[place].order for place in places)
    places = [place for place in places if targets[place].order == least]
    places = [place for place in places if targets[place].weight > 0] or places
    places = [place for place in places if _is_warm(targets[place], view)] or places
    if len(places) == 1:
        return places[0]
    kept = _affinity_of(view)
    if kept:
        return max(places, key=lambda place: _pull(targets[place], kept))
    return _BY_STRATEGY[view.choice.strategy](targets, places, view, roll)


def _is_warm(target: Target, view: View) -> bool:
    """Whether a local host has the model loaded, as far as this worker saw, and is not busy."""
    if not target.dialect.facts.loads_contexts:
        return False
    standing = view.fleet.find(target)
    if standing is None or not standing.loaded_at or view.now - standing.loaded_at >= LOADED_S:
        return False
    slots = None if target.capacity is None else target.capacity.parallel
    return standing.in_flight < (LOCAL_SLOTS if slots is None else slots)


def _shuffled(targets: Sequence[Target], places: Sequence[int], view: View, roll: float) -> int:
    return places[pick([targets[place] for place in places], roll)]


def _least(figure: Callable[[Target, View], float]) -> "_Chooser":
    """Chooses the deployment with the least figure; chance decides between equal ones."""

    def choose_least(targets: Sequence[Target], places: Sequence[int], view: View, roll: float) -> int:
        figures = {place: figure(targets[place], view) for place in places}
        least = min(figures.values())
        return _shuffled(targets, [place for place in places if figures[place] == least], view, roll)

    return choose_least


def _busy(target: Target, view: View) -> float:
    standing = view.fleet.find(target)
    return 0.0 if standing is None else standing.in_flight / target.weight


def _usage(target: Target, view: View) -> float:
    """The share of its `tpm` that a deployment has used in this minute; without one, the tokens."""
    standing = view.fleet.find(target)
    tokens, requests = (0, 0) if standing is None else standing.used(view.now)
    if target.tpm:
        return tokens / target.tpm
    return requests / target.rpm if target.rpm else float(tokens)


def _cost(target: Target, view: View) -> float:
    """What a token of input and one of output cost. What has no price is dearer than what has one."""
    price: Price | None = target.price
    return float("inf") if price is None else float(price.input + price.output)


def _quicker(targets: Sequence[Target], places: Sequence[int], view: View, roll: float) -> int:
    """The quicker of two that chance names, by latency and by calls under way. Two are enough to keep clear
    of a slow one, and not all workers run to the same one."""
    first = _shuffled(targets, places, view, roll)
    others = [place for place in places if place != first]
    second = _shuffled(targets, others, view, (roll * 9_973.0) % 1.0)
    return min((first, second), key=lambda place: _load(targets[place], view))


def _load(target: Target, view: View) -> float:
    standing = view.fleet.find(target)
    if standing is None:
        return 0.0
    latency = standing.first if view.traits.shape.streamed else standing.token
    ms = latency.now(view.now) or (UNKNOWN_MS if standing.in_flight else 0.0)
    return ms * (standing.in_flight + 1)


_Chooser = Callable[[Sequence[Target], Sequence[int], View, float], int]
_BY_STRATEGY: Mapping[Strategy, _Chooser] = MappingProxyType(
    {
        Strategy.SHUFFLE: _shuffled,
        Strategy.LEAST_BUSY: _least(_busy),
        Strategy.LATENCY: _quicker,
        Strategy.USAGE: _least(_usage),
        Strategy.USAGE_2: _least(_usage),
        Strategy.COST: _least(_cost),
    }
)


def _affinity_of(view: View) -> str:
    """What keeps this call at one deployment. Empty: nothing does."""
    traits = view.traits
    for affinity in view.choice.affinities:
        if affinity is Affinity.SESSION and traits.session:
            return f"session {traits.session}"
        if affinity is Affinity.PROMPT and (prompt := traits.shape.opening()):
            return f"prompt {prompt}"
        if affinity is Affinity.KEY and traits.key:
            return f"key {traits.key}"
    return ""


def _pull(target: Target, kept: str) -> float:
    """How strongly a deployment draws what is to be kept together: weighted rendezvous hashing. All workers
    find the same deployment without a word between them, and one that goes moves only its own calls."""
    digest = blake2b(f"{target.model_id}\0{target.model}\0{kept}".encode(), digest_size=8).digest()
    share = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -(target.weight or 1.0) / log(share)


def _tagged(targets: Sequence[Target], choice: ChoiceRules, traits: CallTraits) -> set[int]:
    """The places of deployments that are for these tags. Without a tag in the request: those with the tag
    `default`, else all."""
    wish = wish_of(tuple(traits.tags))
    if wish.is_unclear:
        return set()
    places = {place for place, target in enumerate(targets) if wish.permits(target.tags)}
    default = {place for place in places if DEFAULT_TAG in targets[place].tags}
    if not wish.some:
        return places if wish.all else default or places
    found = {place for place in places if wish.likes(targets[place].tags, any_tag=choice.any_tag)}
    return found or default


def in_region(region: str, wanted: str) -> bool:
    """Whether a region is the one that is wanted, or lies in it: `eu` has `eu-west-1` and `europe-west4`. A
    deployment of an unknown region is in none."""
    region, wanted = region.lower(), wanted.lower()
    if region == wanted or region.startswith((f"{wanted}-", f"{wanted}_")):
        return True
    return any(region.startswith(name) for name in _MORE_NAMES.get(wanted, ()))


_MORE_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "eu": ("europe", "westeurope", "northeurope", "swedencentral", "francecentral", "germanywestcentral"),
        "us": ("eastus", "westus", "centralus", "northcentralus", "southcentralus"),
    }
)
"""Regions of Google and Azure whose names do not begin with the place's."""


def order_of(targets: Sequence[Target], places: Iterable[int], view: View, roll: float) -> list[int]:
    """All places, in the order in which a call would come to them if each one failed."""
    left, found = list(places), []
    while left:
        place = choose(targets, left, view, roll)
        found.append(place)
        left.remove(place)
    return found
