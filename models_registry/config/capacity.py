"""What a config says about a deployment's place among others, and about its own limits and budgets."""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from models_registry.config.entries import Deployment
from models_registry.config.provider import Provider
from models_registry.config.reader import Config
from models_registry.config.sections import LitellmParams, RouterSettings
from models_registry.numbers import BadDeployment, Number, number
from models_registry.target import UNORDERED, Capacity, DeploymentBudget
from schema.errors.requests import InvalidRequest
from schema.money import NANO_PER_USD
from schema.window import check_duration

MAX_ORDER = UNORDERED - 1
MAX_BUDGET_USD = Decimal(10**9)
MAX_WEIGHT = Decimal(10**9)
MAX_COOLDOWN_S = Decimal(86_400)
ENFORCE = "enforce_model_rate_limits"
USAGE_STRATEGIES = ("usage-based-routing", "usage-based-routing-v2")
"""Strategies under which `rpm` and `tpm` are limits, as at LiteLLM."""
REGION_PARAMS = ("region_name", "aws_region_name", "vertex_location")
DEFAULT_DURATION = "1d"
MAX_TAGS = 100


class PlaceAmongOthers(NamedTuple):
    """Fields of a target."""

    order: int
    cooldown_s: float | None
    tags: frozenset[str]
    region: str
    rpm: int | None
    tpm: int | None
    capacity: Capacity | None


def place_of(config: Config, provider: Provider, deployment: Deployment) -> PlaceAmongOthers:
    """What the config says. Raises BadDeployment."""
    params, router = deployment.entry.litellm_params, config.router_settings
    path = f"{deployment.path}.litellm_params"
    order = UNORDERED if params.order is None else params.order
    if not 0 <= order <= UNORDERED:
        raise BadDeployment(f"{path}.order", f"expected 0 to {MAX_ORDER}")
    if len(params.tags or ()) > MAX_TAGS:
        raise BadDeployment(f"{path}.tags", f"expected at most {MAX_TAGS} tags")
    info_region = deployment.info.get("region")
    regions = [getattr(params, name) for name in REGION_PARAMS]
    region = next((each for each in (*regions, info_region) if isinstance(each, str) and each), "")
    return PlaceAmongOthers(
        order=order,
        cooldown_s=_cooldown_s(params.cooldown_time, f"{path}.cooldown_time"),
        tags=frozenset(params.tags or ()),
        region=region,
        rpm=params.rpm,
        tpm=params.tpm,
        capacity=_capacity(router, provider, deployment),
    )


def tag_warnings(config: Config, deployment: Deployment) -> list[str]:
    """A warning for tags that decide nothing."""
    if not deployment.entry.litellm_params.tags or config.router_settings.enable_tag_filtering:
        return []
    path = f"{deployment.path}.litellm_params.tags"
    return [f"{path}: have no effect without enable_tag_filtering in router_settings"]


def limits_rates(router: RouterSettings) -> bool:
    """Whether `rpm` and `tpm` of deployments are limits. Else they are weights alone."""
    return (
        router.routing_strategy in USAGE_STRATEGIES
        or bool(router.enable_pre_call_checks)
        or ENFORCE in (router.optional_pre_call_checks or ())
    )


def _cooldown_s(given: Number | None, path: str) -> float | None:
    return None if given is None else float(number(given, path, most=MAX_COOLDOWN_S))


def _capacity(router: RouterSettings, provider: Provider, deployment: Deployment) -> Capacity | None:
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params"
    budgets = []
    if params.max_budget is not None:
        budgets.append(_allowance("", params.max_budget, params.budget_duration, path))
    spent = (router.provider_budget_config or {}).get(provider.prefix)
    if spent is not None:
        budgets.append(provider_allowance(provider.prefix, spent))
    parallel = params.max_parallel_requests
    if parallel is None:
        parallel = router.default_max_parallel_requests
    rates = limits_rates(router)
    found = Capacity(
        rpm=params.rpm if rates else None,
        tpm=params.tpm if rates else None,
        parallel=parallel,
        budgets=tuple(budgets),
    )
    return None if found == Capacity() else found


def provider_allowance(provider: str, given: Mapping[str, Any]) -> DeploymentBudget:
    """The budget of a provider (`provider_budget_config`): `budget_limit` or `max_budget` in dollars,
    `time_period` or `budget_duration`. Raises BadDeployment."""
    path = f"router_settings.provider_budget_config.{provider}"
    limit = next(
        (given[name] for name in ("budget_limit", "max_budget") if given.get(name) is not None), None
    )
    if limit is None:
        raise BadDeployment(path, "expected budget_limit, in dollars")
    duration = given.get("time_period") or given.get("budget_duration")
    return _allowance(provider, limit, duration, path)


def _allowance(provider: str, limit: Number, duration: object, path: str) -> DeploymentBudget:
    usd = number(
        limit,
        f"{path}.max_budget" if "litellm_params" in path else f"{path}.budget_limit",
        most=MAX_BUDGET_USD,
    )
    text = DEFAULT_DURATION if duration is None else duration
    try:
        checked = check_duration(text if isinstance(text, str) else "", param="budget_duration")
    except InvalidRequest as exc:
        where = "budget_duration" if "litellm_params" in path else "time_period"
        raise BadDeployment(f"{path}.{where}", "expected a duration, such as 1d or 30d") from exc
    nano = int((usd * NANO_PER_USD).to_integral_value(rounding=ROUND_FLOOR))
    return DeploymentBudget(provider=provider, limit_nano=nano, duration=checked)


def weight_of(params: LitellmParams, path: str) -> float:
    """The weight for LiteLLM's simple shuffle: `weight`, else `rpm`, else `tpm`, else 1."""
    for name, value in (("weight", params.weight), ("rpm", params.rpm), ("tpm", params.tpm)):
        if value is not None:
            return float(number(value, f"{path}.{name}", most=MAX_WEIGHT))
    return 1.0
