"""The settings of the router, as they are told: each with its type, its meaning and what it may be."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from models_registry.config.reader import Config
from models_registry.config.stored import FALLBACKS
from models_registry.routing.choice import Affinity, Strategy


class RouterSettingFacts(NamedTuple):
    """What is told of a setting beside its value."""

    type: str
    """LiteLLM's words: `String`, `Integer`, `Float`, `Boolean`, `List` (of texts) and `Dictionary` (JSON)."""
    meaning: str
    options: Sequence[str] | None = None


FACTS: Mapping[str, RouterSettingFacts] = MappingProxyType(
    {
        "routing_strategy": RouterSettingFacts(
            "String", "How one of a model's deployments is chosen", [each.value for each in Strategy]
        ),
        "num_retries": RouterSettingFacts("Integer", "Retries of all models: 2 without a setting"),
        "retry_after": RouterSettingFacts(
            "Float", "The least seconds before the same deployment is asked again"
        ),
        "timeout": RouterSettingFacts("Float", "Seconds until a call is given up"),
        "stream_timeout": RouterSettingFacts("Float", "Seconds until a stream is given up"),
        "fallbacks": RouterSettingFacts(
            "Dictionary", 'Where calls go after an error: [{"gpt-4o": ["claude"]}]'
        ),
        "default_fallbacks": RouterSettingFacts("List", "The fallbacks of every model without a list"),
        "context_window_fallbacks": RouterSettingFacts(
            "Dictionary", "The fallbacks of requests that are too long for a model"
        ),
        "content_policy_fallbacks": RouterSettingFacts(
            "Dictionary", "The fallbacks of requests that a provider's content policy refuses"
        ),
        "max_fallbacks": RouterSettingFacts("Integer", "The longest chain of fallbacks: 5 without a setting"),
        "fallback_on_unsupported_params": RouterSettingFacts(
            "Boolean", "Whether a request that a provider found wrong falls back"
        ),
        "retry_policy": RouterSettingFacts(
            "Dictionary", 'Retries by the kind of error: {"RateLimitErrorRetries": 5}'
        ),
        "model_group_retry_policy": RouterSettingFacts(
            "Dictionary", 'The same by model: {"gpt-4o": {"TimeoutErrorRetries": 1}}'
        ),
        "retry_budget_percent": RouterSettingFacts(
            "Float", "The retries that calls add to the budget of retries, in percent of the calls"
        ),
        "retry_budget_per_s": RouterSettingFacts("Float", "The retries that each second adds to it"),
        "allowed_fails": RouterSettingFacts("Integer", "Failures in a minute before a deployment cools down"),
        "allowed_fails_policy": RouterSettingFacts(
            "Dictionary", 'The same by the kind of error: {"RateLimitErrorAllowedFails": 10}'
        ),
        "cooldown_time": RouterSettingFacts("Float", "For how many seconds a deployment cools down at first"),
        "disable_cooldowns": RouterSettingFacts("Boolean", "Whether no deployment cools down"),
        "enable_pre_call_checks": RouterSettingFacts(
            "Boolean", "Whether a request goes only to models that it is not too long for"
        ),
        "optional_pre_call_checks": RouterSettingFacts(
            "List", "What keeps calls at one deployment", [each.value for each in Affinity]
        ),
        "enable_tag_filtering": RouterSettingFacts(
            "Boolean", "Whether a request with tags goes to deployments with these tags"
        ),
        "tag_filtering_match_any": RouterSettingFacts(
            "Boolean", "Whether one of the tags is enough; off: all of them"
        ),
        "model_group_alias": RouterSettingFacts("Dictionary", 'Further names: {"gpt-4": "gpt-4o"}'),
        "provider_budget_config": RouterSettingFacts(
            "Dictionary", 'Budgets of providers: {"openai": {"budget_limit": 50, "time_period": "1d"}}'
        ),
        "default_max_parallel_requests": RouterSettingFacts(
            "Integer", "Calls at once of a deployment that says no number"
        ),
        "enable_health_check_routing": RouterSettingFacts(
            "Boolean", "Whether a deployment whose last check failed gets no calls"
        ),
        "health_check_staleness_threshold": RouterSettingFacts(
            "Float", "For how many seconds a failed check counts: 900 without a setting"
        ),
    }
)

IN_LITELLM_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "num_retries": "num_retries",
        "timeout": "request_timeout",
        "allowed_fails": "allowed_fails",
        **{name: name for name in FALLBACKS},
    }
)
"""The settings of the router that a config file may have in `litellm_settings` too, by their names there."""


def settings_in_force(config: Config) -> dict[str, Any]:
    """The settings of the router by their names, as calls use them. A setting that `router_settings` leaves
    out, or whose list is empty there, is the one of `litellm_settings`."""
    found = msgspec.structs.asdict(config.router_settings)
    for name, name_there in IN_LITELLM_SETTINGS.items():
        there = getattr(config.litellm_settings, name_there)
        if there is not None and found[name] in (None, []):
            found[name] = there
    return found
