"""Which models follow a model whose attempts failed: its fallbacks. Pure."""

from collections.abc import Sequence

from models_registry.drops import Drop, Reason
from models_registry.registry import Registry
from models_registry.routing.failures import FailureKind
from models_registry.routing.leg import Leg
from models_registry.routing.settings import ANY, Fallbacks, Routing, fallbacks_of
from models_registry.target import Target
from schema.route_options import RouteOptions

Following = tuple[Sequence[str], Sequence[Drop]]
"""Fallbacks in order, and those that are passed over."""


def following(
    leg: Leg, kind: FailureKind, registry: Registry, routing: Routing, options: RouteOptions
) -> Following:
    """The fallbacks of a model after such an error. Those that the request names count before the config's.
    The request's `fallbacks` are for every model."""
    special = None
    if kind is FailureKind.CONTEXT_WINDOW:
        lists = options.context_window_fallbacks
        special = _listed(routing.context_window_fallbacks if lists is None else lists, leg, registry)
    elif kind is FailureKind.CONTENT_POLICY:
        lists = options.content_policy_fallbacks
        special = _listed(routing.content_policy_fallbacks if lists is None else lists, leg, registry)
    if special is not None:
        return special
    general = options.fallbacks
    return (_listed(routing.fallbacks, leg, registry) or ((), ())) if general is None else (general, ())


def _listed(lists: Fallbacks, leg: Leg, registry: Registry) -> Following | None:
    """The fallbacks of a model: its own list, else the list for any model. From the list for any model a
    local model falls back to local models alone, since its calls leave only where its own list says so."""
    own, for_any = fallbacks_of(lists, leg.model), lists.get(ANY)
    listed = for_any if own is None else own
    if own is not None or for_any is None or not _are_local(leg.targets):
        return None if listed is None else (listed, ())
    local, drops = [], []
    for name in for_any:
        found = registry.find(name, allowed=())
        if isinstance(found, Drop):
            drops.append(found)
        elif _are_local(found):
            local.append(name)
        else:
            drops.append(Drop(model=name, reason=Reason.NOT_LOCAL))
    return local, drops


def _are_local(targets: Sequence[Target]) -> bool:
    return all(target.stays_home for target in targets)
