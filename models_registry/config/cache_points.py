"""Where a deployment's requests are marked for the provider's cache."""

from models_registry.backends.cache_points import CACHE_CONTROL
from models_registry.backends.injection_points import NAME, BadPoint, points_of
from models_registry.config.entries import Deployment
from models_registry.numbers import BadDeployment
from models_registry.target import CachePoint, Target


def cache_points_of(deployment: Deployment) -> tuple[CachePoint, ...]:
    """The points of an entry. Raises BadDeployment."""
    try:
        return points_of(deployment.entry.litellm_params.cache_control_injection_points or [])
    except BadPoint as exc:
        raise BadDeployment(f"{deployment.path}.litellm_params.{NAME}{exc.at}", str(exc)) from exc


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
