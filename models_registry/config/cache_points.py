"""Where a deployment's requests are marked for the provider's cache: LiteLLM's
`cache_control_injection_points`."""

import msgspec

from models_registry.backends.cache_points import CACHE_CONTROL, EPHEMERAL, MAX_POINTS
from models_registry.config.entries import Deployment
from models_registry.config.sections import InjectionPoint
from models_registry.numbers import BadDeployment
from models_registry.target import CachePoint, Target

NAME = "cache_control_injection_points"
TOOLS = "tool_config"
LOCATIONS = ("message", TOOLS)
CONTROL_KEYS = frozenset({"type", "ttl"})
TTLS = (None, "5m", "1h")


def cache_points_of(deployment: Deployment) -> tuple[CachePoint, ...]:
    """The points of an entry. Raises BadDeployment."""
    points = deployment.entry.litellm_params.cache_control_injection_points or []
    path = f"{deployment.path}.litellm_params.{NAME}"
    if len(points) > MAX_POINTS:
        raise BadDeployment(path, f"expected at most {MAX_POINTS}, the marks that a request can have")
    return tuple(_point(each, f"{path}[{place}]") for place, each in enumerate(points))


def _point(given: InjectionPoint, path: str) -> CachePoint:
    if given.location not in LOCATIONS:
        raise BadDeployment(f"{path}.location", f"expected {' or '.join(LOCATIONS)}")
    control = _control(given, path)
    if given.location == TOOLS:
        return CachePoint(tools=True, control=control)
    if given.role is None and given.index is None:
        raise BadDeployment(path, "expected a role, such as system, or an index, such as -1")
    return CachePoint(role=given.role or "", index=given.index, control=control)


def _control(given: InjectionPoint, path: str) -> msgspec.Raw:
    """The mark of a point. One with other keys than Anthropic's would be refused with each call."""
    control = given.control
    if control is None:
        return EPHEMERAL
    wrong = bool(control.keys() - CONTROL_KEYS) or control.get("type") != "ephemeral"
    if wrong or control.get("ttl") not in TTLS:
        raise BadDeployment(f"{path}.control", "expected {type: ephemeral}, and beside it a ttl of 5m or 1h")
    return msgspec.Raw(msgspec.json.encode(control))


def cache_point_warnings(deployment: Deployment, target: Target) -> list[str]:
    """A warning of points that have no effect."""
    path = f"{deployment.path}.litellm_params"
    if not target.cache_points:
        return []
    if not target.dialect.facts.takes_cache_points:
        return [f"{path}.{NAME}: has an effect at Anthropic and Bedrock alone"]
    if CACHE_CONTROL in target.params:
        return [f"{path}.{NAME}: has no effect beside {CACHE_CONTROL}, which marks each request"]
    return []
