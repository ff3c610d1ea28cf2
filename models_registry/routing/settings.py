"""What the config says about retries and fallbacks.

`router_settings` counts first, then `litellm_settings`. The keys are LiteLLM's.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from models_registry.backends.credentials import without_credentials
from models_registry.config.capacity import provider_allowance
from models_registry.config.reader import Config
from models_registry.numbers import BadDeployment, Number, number
from models_registry.registry import Registry
from models_registry.routing.choice import ChoiceRules
from models_registry.routing.choice_settings import ChoiceReader
from models_registry.routing.cooldowns import CooldownRules
from models_registry.routing.failures import POLICIES
from models_registry.routing.retry_budget import RetryBudget

DEFAULT_RETRIES = 2
MAX_RETRIES = 20
MAX_FALLBACKS = 20
"""The most models that one call falls back to, whatever the config says."""
MAX_WAIT_S = Decimal(60)
ANY = "*"
"""Stands in `fallbacks` for every model that has no list of its own."""

MAX_SHOWN = 60

Fallbacks = Mapping[str, tuple[str, ...]]


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    retries: int = DEFAULT_RETRIES
    """The retries of one model, over all of its deployments. A policy, a deployment or the request may say
    otherwise."""
    least_wait_s: float = 0.0
    """The least wait before a retry at the same deployment (`retry_after`)."""
    policy: Mapping[str, int] = {}
    """Retries by kind of error, such as `RateLimitErrorRetries: 5` (`failures.Kind.policy`)."""
    model_policies: Mapping[str, Mapping[str, int]] = {}
    """By model, what counts in place of `policy`."""
    fallbacks: Fallbacks = {}
    context_window_fallbacks: Fallbacks = {}
    content_policy_fallbacks: Fallbacks = {}
    max_fallbacks: int = 5
    """How long a chain may be, of a fallback, its own fallback and so on."""
    on_bad_request: bool = True
    """Whether a call falls back whose request a provider found wrong (`fallback_on_unsupported_params`)."""
    choice: ChoiceRules = ChoiceRules()
    cooldowns: CooldownRules = CooldownRules()
    retry_budget: RetryBudget = msgspec.field(default_factory=RetryBudget)
    """A full budget. Each worker has one of its own."""

    def policy_of(self, model: str) -> Mapping[str, int]:
        return self.model_policies.get(model, self.policy)


def fallbacks_of(lists: Fallbacks, model: str) -> tuple[str, ...] | None:
    """The list of a model, under its name or under its name without the provider (`openai/gpt-4o`, `gpt-4o`).
    The list for any model is not looked at."""
    found = lists.get(model)
    return lists.get(model.partition("/")[2]) if found is None and "/" in model else found


def routing_of(config: Config, registry: Registry) -> tuple[Routing, list[str], list[str]]:
    """The routing, then the errors and the warnings of its settings, each with its path in the config."""
    reader = _RoutingReader(config, registry)
    router, litellm = config.router_settings, config.litellm_settings
    defaults = Routing()
    fallbacks = reader.fallbacks("fallbacks")
    default_fallbacks = router.default_fallbacks or litellm.default_fallbacks
    if default_fallbacks:
        reader.check_names(default_fallbacks, "default_fallbacks")
        if ANY in fallbacks:
            reader.warnings.append('default_fallbacks: has no effect beside "*" in fallbacks')
        fallbacks.setdefault(ANY, tuple(default_fallbacks))
    choices = ChoiceReader(config)
    reader.check_budgets()
    section = "litellm_settings" if router.num_retries is None else "router_settings"
    retries = litellm.num_retries if router.num_retries is None else router.num_retries
    routing = Routing(
        retries=defaults.retries if retries is None else reader.count(retries, f"{section}.num_retries"),
        least_wait_s=reader.seconds(router.retry_after, "router_settings.retry_after"),
        policy=reader.policy(router.retry_policy, "router_settings.retry_policy"),
        model_policies=reader.model_policies(),
        fallbacks=fallbacks,
        context_window_fallbacks=reader.fallbacks("context_window_fallbacks"),
        content_policy_fallbacks=reader.fallbacks("content_policy_fallbacks"),
        max_fallbacks=defaults.max_fallbacks if router.max_fallbacks is None else router.max_fallbacks,
        on_bad_request=router.fallback_on_unsupported_params is not False,
        choice=choices.choice(),
        cooldowns=choices.cooldowns(),
        retry_budget=choices.budget(),
    )
    return routing, reader.errors + choices.errors, reader.warnings + choices.warnings


class _RoutingReader:
    def __init__(self, config: Config, registry: Registry) -> None:
        self._config = config
        self._registry = registry
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def fallbacks(self, name: str) -> dict[str, tuple[str, ...]]:
        """The fallbacks by model, out of LiteLLM's list of mappings."""
        router: list[dict[str, list[str]]] | None = getattr(self._config.router_settings, name)
        section = "litellm_settings" if router is None else "router_settings"
        given: list[dict[str, list[str]]] = router or getattr(self._config.litellm_settings, name) or []
        found: dict[str, tuple[str, ...]] = {}
        for place, each in enumerate(given):
            for model, names in each.items():
                path = f"{section}.{name}[{place}].{model}"
                if model in found:
                    self.warnings.append(f"{path}: the model stands twice, and the first counts")
                    continue
                if model != ANY:
                    self.check_names([model], path)
                self.check_names(names, path)
                found[model] = tuple(names)
        return found

    def check_budgets(self) -> None:
        """The budgets of providers, also of those that no deployment has."""
        used = {target.provider for target in self._registry.everything()}
        for name, given in (self._config.router_settings.provider_budget_config or {}).items():
            try:
                provider_allowance(name, given)
            except BadDeployment as exc:
                self.errors.append(str(exc))
            if name not in used:
                path = f"router_settings.provider_budget_config.{without_credentials(name[:MAX_SHOWN])}"
                self.warnings.append(f"{path}: no deployment is of this provider")

    def check_names(self, names: Iterable[str], path: str) -> None:
        for name in names:
            if "*" in name:
                self.warnings.append(f"{path}: {name!r} is a wildcard; a model has to be named here")
            elif not self._registry.knows(name) and not self._registry.why_not(name):
                self.warnings.append(f"{path}: no model is called {name!r}")

    def model_policies(self) -> dict[str, dict[str, int]]:
        path = "router_settings.model_group_retry_policy"
        given = self._config.router_settings.model_group_retry_policy or {}
        self.check_names(given, path)
        return {model: self.policy(policy, f"{path}.{model}") for model, policy in given.items()}

    def policy(self, given: Mapping[str, int | None] | None, path: str) -> dict[str, int]:
        unknown = (given or {}).keys() - POLICIES
        self.errors += [f"{path}.{name}: no kind of error; expected one of {_KINDS}" for name in unknown]
        return {
            name: self.count(value, f"{path}.{name}")
            for name, value in (given or {}).items()
            if value is not None
        }

    def count(self, value: int, path: str) -> int:
        if not 0 <= value <= MAX_RETRIES:
            self.errors.append(f"{path}: expected 0 to {MAX_RETRIES}, found {value}")
        return value

    def seconds(self, value: Number | None, path: str) -> float:
        if value is None:
            return 0.0
        try:
            return float(number(value, path, most=MAX_WAIT_S))
        except BadDeployment as exc:
            self.errors.append(str(exc))
            return 0.0


_KINDS = ", ".join(sorted(POLICIES))
