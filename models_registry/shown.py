"""What `/model/info` and `/model_group/info` say of deployments, by LiteLLM's names. Pure, and without a
secret: neither a key nor a header is in it, and an address only for administrators."""

import re
from collections.abc import Sequence
from typing import Any

from models_registry.facts.refusals import SAMPLING, refused_fields
from models_registry.facts.table import ModelFacts
from models_registry.prices.price import Price
from models_registry.target import Target
from schema.model_info import ShownFacts

FEMTO_PER_USD = 10**15
SECRET = re.compile(
    r"[-_]key|^key_|apikey|secret|pass(?:w|phrase|$)|credential|auth|bearer|private|access_(?!groups)|"
    r"(?:^|_)token$|cookie|signature",
    re.IGNORECASE,
)
"""Names in `model_info` that may stand for a secret, such as `hf_token`. They are not shown."""
PARAMS = ("stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n", "seed", "user")
TOOLS = ("tools", "tool_choice", "parallel_tool_calls")


def deployment_facts(target: Target) -> dict[str, object]:
    """`model_info` of one deployment: what is known of its model, and over it what the config says."""
    facts = target.facts or ModelFacts(provider=target.provider, model=target.model)
    own = {name: value for name, value in target.info.items() if not SECRET.search(name) and is_plain(value)}
    return {
        "id": target.model_id,
        "db_model": False,
        "key": facts.model,
        "litellm_provider": target.provider,
        "mode": facts.mode,
        "base_model": None,
        "max_tokens": target.max_output_tokens or facts.max_output_tokens,
        "max_input_tokens": facts.max_input_tokens or facts.context_window or target.context_window,
        "max_output_tokens": target.max_output_tokens or facts.max_output_tokens,
        "context_window": facts.context_window or target.context_window,
        **_prices(target.price),
        **_abilities(facts),
        "supported_openai_params": supported_params(target),
        "deprecation_date": None if facts.deprecated is None else facts.deprecated.isoformat(),
        "local": target.local,
        "status": "ok",
        **own,
    }


def public_params(target: Target, *, with_address: bool) -> dict[str, object]:
    """`litellm_params` of one deployment, without its key, its headers and its request fields."""
    params: dict[str, object] = {
        "model": f"{target.provider}/{target.model}",
        "custom_llm_provider": target.provider,
        "timeout": target.deadlines.total_s,
        "weight": target.weight,
        "drop_params": target.drop_params,
    }
    return params | ({"api_base": target.api_base} if with_address else {})


def group_facts(name: str, targets: Sequence[Target]) -> dict[str, object]:
    """A model group: the largest limits, the dearest prices, and what any of its deployments can do."""
    each = [deployment_facts(target) for target in targets]
    found: dict[str, object] = {
        "model_group": name,
        "providers": sorted({target.provider for target in targets}),
        "mode": each[0]["mode"],
        "tpm": None,
        "rpm": None,
    }
    for field in each[0]:
        values = [facts.get(field) for facts in each]
        if field.startswith("max_") or field.endswith(("_per_token", "_token_cost")):
            found[field] = max((value for value in values if isinstance(value, int | float)), default=None)
        elif field.startswith("supports_"):
            found[field] = any(value is True for value in values)
    params = {param for target in targets for param in supported_params(target)}
    found["supported_openai_params"] = sorted(params)
    return found


def supported_params(target: Target) -> list[str]:
    """OpenAI's parameters that a deployment has a use for."""
    facts = target.facts
    params = [*PARAMS, "response_format", *SAMPLING]
    if facts is None or facts.tools is not False:
        params += TOOLS
    if facts is not None and facts.reasoning:
        params.append("reasoning_effort")
        if target.dialect.facts.takes_thinking:
            params.append("thinking")
    without = target.dialect.facts.untranslated | target.refuses | refused_fields(facts)
    return [param for param in params if param not in without]


def is_plain(value: object) -> bool:
    """Whether a value of the config is fit to be shown: texts, numbers, flags, dates, and lists of them."""
    if isinstance(value, list):
        return all(is_plain(each) for each in value)
    if isinstance(value, str):
        return value.isprintable()
    return value is None or isinstance(value, int | float | bool)


def _prices(price: Price | None) -> dict[str, object]:
    """Dollars a token. A price of tiers shows its first one."""

    def usd(femto: int | None) -> float | None:
        return None if femto is None else femto / FEMTO_PER_USD

    return {
        "input_cost_per_token": None if price is None else usd(price.input),
        "output_cost_per_token": None if price is None else usd(price.output),
        "cache_read_input_token_cost": None if price is None else usd(price.cached),
        "cache_creation_input_token_cost": None if price is None else usd(price.cache_write),
        "price_source": None if price is None else price.source,
    }


def _abilities(facts: ModelFacts) -> dict[str, Any]:
    return {
        "supports_system_messages": facts.system,
        "supports_response_schema": facts.structured,
        "supports_function_calling": facts.tools,
        "supports_tool_choice": facts.tool_choice,
        "supports_parallel_function_calling": facts.parallel_tools,
        "supports_assistant_prefill": facts.prefill,
        "supports_prompt_caching": facts.caching,
        "supports_reasoning": facts.reasoning,
        "supports_sampling_params": facts.sampling,
        "supports_adaptive_thinking": facts.adaptive,
        "supports_web_search": facts.web_search,
        "supports_vision": "image" in facts.inputs,
        "supports_pdf_input": "pdf" in facts.inputs,
        "supports_audio_input": "audio" in facts.inputs,
        "supports_video_input": "video" in facts.inputs,
        "supports_audio_output": "audio" in facts.outputs,
        "reasoning_effort_levels": list(facts.efforts),
    }


def skipped_facts(reason: str, *, model_id: str = "", blocked: bool = False) -> ShownFacts:
    """`model_info` of an entry that can't be called. `model_id`: it is a stored model with this id."""
    return {
        "id": model_id or None,
        "db_model": bool(model_id),
        "status": "blocked" if blocked else "error",
        "error": reason,
    }
