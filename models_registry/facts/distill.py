"""Makes the table of model facts of two public sources: LiteLLM's model map and models.dev. Pure; no IO.

Where the sources disagree the stricter counts: the smaller limit, and a parameter that one of them says is
refused. A price of the price data (`models_registry/prices/book.py`) is left out here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from models_registry.facts.table import EFFORTS, ModelFacts, PriceStep, TokenPrices

T = TypeVar("T")
SourceEntry = Mapping[str, Any]  # an object of a public file, of any shape
PLAIN_EFFORTS = ("low", "medium", "high")
PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "openai": "openai",
        "anthropic": "anthropic",
        "google": "gemini",
        "google-vertex": "vertex_ai",
        "azure": "azure",
        "amazon-bedrock": "bedrock",
        "openrouter": "openrouter",
        "mistral": "mistral",
        "xai": "xai",
        "groq": "groq",
        "deepseek": "deepseek",
        "cohere": "cohere",
        "perplexity": "perplexity",
        "togetherai": "together_ai",
        "fireworks-ai": "fireworks_ai",
        "deepinfra": "deepinfra",
        "cerebras": "cerebras",
        "nebius": "nebius",
        "novita-ai": "novita",
        "moonshotai": "moonshot",
        "alibaba": "dashscope",
        "zai": "zai",
        "minimax": "minimax",
        "huggingface": "huggingface",
        "nvidia": "nvidia_nim",
        "github-models": "github",
        "databricks": "databricks",
        "vercel": "vercel_ai_gateway",
        "siliconflow": "siliconflow",
        "baseten": "baseten",
        "wandb": "wandb",
        "venice": "venice",
        "friendli": "friendliai",
        "ollama-cloud": "ollama_cloud",
        "abliteration-ai": "abliteration",
        "alibaba-cn": "dashscope_cn",
        "inference": "inference_net",
        "lmstudio": "lm_studio",
        "moonshotai-cn": "moonshot_cn",
        "opencode": "opencode_zen",
        "wafer.ai": "wafer",
        "zhipuai-coding-plan": "zhipu_coding_plan",
    }
)
"""Providers of models.dev that have another name there than their prefix here."""
LITELLM_PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "bedrock_converse": "bedrock",
        "cohere_chat": "cohere",
        "text-completion-openai": "openai",
        "vertex_ai-language-models": "vertex_ai",
        "vertex_ai-anthropic_models": "vertex_ai",
        "vertex_ai-embedding-models": "vertex_ai",
        "vertex_ai-mistral_models": "vertex_ai",
        "vertex_ai-llama_models": "vertex_ai",
        "vertex_ai-image-models": "vertex_ai",
    }
)
"""Providers of LiteLLM's map whose models are called by another prefix."""
CHAT = "chat"
MAX_NAME_CHARS = 200


def distilled(
    litellm: Mapping[str, SourceEntry],
    dev: Iterable[tuple[str, str, SourceEntry]],
    *,
    known: Collection[str],
    is_priced: Callable[[str, str], bool],
) -> list[ModelFacts]:
    """The table, sorted by provider and model. `litellm` is the map as LiteLLM publishes it. `dev` has the
    provider, the model and the object of models.dev for each. Of models.dev, the providers are taken whose
    prefix is `known`. `is_priced` says whether the price data knows a provider's model."""
    found: dict[tuple[str, str], ModelFacts] = {}
    for name, entry in litellm.items():
        facts = _of_litellm(name, entry)
        if facts is not None and (facts.provider, facts.model) not in found:
            found[facts.provider, facts.model] = facts
    for provider, name, entry in dev:
        prefix = PREFIXES.get(provider) or provider.replace("-", "_")
        if prefix not in known or len(name) > MAX_NAME_CHARS:
            continue
        facts = _of_models_dev(prefix, name.lower(), entry)
        other = found.get((prefix, facts.model))
        found[prefix, facts.model] = facts if other is None else _together(other, facts)
    return [
        msgspec.structs.replace(facts, prices=None, steps=()) if is_priced(*key) else facts
        for key, facts in sorted(found.items())
    ]


def _of_litellm(name: str, entry: SourceEntry) -> ModelFacts | None:
    provider = entry.get("litellm_provider")
    if not isinstance(provider, str) or name == "sample_spec" or len(name) > MAX_NAME_CHARS:
        return None
    prefix = LITELLM_PREFIXES.get(provider, provider)
    model = name.lower()
    for each in (prefix, provider):
        model = model.removeprefix(f"{each}/")
    reasoning = _bool(entry, "supports_reasoning")
    is_claude, mode = "claude" in model, _text(entry, "mode")
    return ModelFacts(
        provider=prefix,
        model=model,
        mode=CHAT if mode in (None, CHAT) else mode,
        max_input_tokens=_count(entry, "max_input_tokens"),
        max_output_tokens=_count(entry, "max_output_tokens"),
        inputs=_inputs_of_litellm(entry),
        outputs=_others(entry.get("supported_output_modalities")),
        tools=_bool(entry, "supports_function_calling"),
        tool_choice=_bool(entry, "supports_tool_choice"),
        parallel_tools=_bool(entry, "supports_parallel_function_calling"),
        forced_tools=_bool(entry, "supports_forced_tool_use"),
        structured=_bool(entry, "supports_response_schema"),
        native_structured=_bool(entry, "supports_native_structured_output"),
        system=_bool(entry, "supports_system_messages"),
        prefill=_bool(entry, "supports_assistant_prefill"),
        sampling=_bool(entry, "supports_sampling_params"),
        reasoning=reasoning,
        efforts=_efforts_of_litellm(entry, is_claude=is_claude) if reasoning else (),
        default_effort=_text(entry, "default_reasoning_effort"),
        adaptive=_bool(entry, "supports_adaptive_thinking"),
        budgeted=_budgeted(entry) if is_claude and reasoning else None,
        always_thinks=_bool(entry, "thinking_always_on"),
        caching=_bool(entry, "supports_prompt_caching"),
        min_cache_tokens=_count(entry, "prompt_cache_min_tokens"),
        web_search=_bool(entry, "supports_web_search"),
        deprecated=_day(entry.get("deprecation_date")),
        prices=_prices_of_litellm(entry, ""),
        steps=_steps_of_litellm(entry),
    )


def _budgeted(entry: SourceEntry) -> bool:
    """Claude models take budgets, except those that have adaptive thinking alone."""
    return not _bool(entry, "supports_adaptive_thinking") or bool(_bool(entry, "supports_legacy_thinking"))


def _efforts_of_litellm(entry: SourceEntry, *, is_claude: bool) -> tuple[str, ...]:
    levels = entry.get("reasoning_effort_levels")
    if isinstance(levels, list):
        return tuple(level for level in EFFORTS if level in levels)
    flags = {level: _bool(entry, f"supports_{level}_reasoning_effort") for level in EFFORTS}
    if is_claude and not _bool(entry, "supports_output_config") and not any(flags.values()):
        return ()
    return tuple(
        level for level in EFFORTS if flags[level] or (level in PLAIN_EFFORTS and flags[level] is not False)
    )


def _inputs_of_litellm(entry: SourceEntry) -> tuple[str, ...]:
    named = set(_others(entry.get("supported_modalities")))
    for flag, kind in (
        ("supports_vision", "image"),
        ("supports_pdf_input", "pdf"),
        ("supports_audio_input", "audio"),
        ("supports_video_input", "video"),
    ):
        if entry.get(flag) is True:
            named.add(kind)
    return tuple(sorted(named))


def _prices_of_litellm(entry: SourceEntry, suffix: str) -> TokenPrices | None:
    start = _dollars(entry.get(f"input_cost_per_token{suffix}"))
    if start is None:
        return None
    return TokenPrices(
        input=start,
        output=_dollars(entry.get(f"output_cost_per_token{suffix}")) or "0",
        cached=_dollars(entry.get(f"cache_read_input_token_cost{suffix}")),
        cache_write=_dollars(entry.get(f"cache_creation_input_token_cost{suffix}")),
    )


def _steps_of_litellm(entry: SourceEntry) -> tuple[PriceStep, ...]:
    """`input_cost_per_token_above_200k_tokens` and its like."""
    steps = []
    for field in entry:
        thousands = field.removeprefix("input_cost_per_token_above_").removesuffix("k_tokens")
        if field.startswith("input_cost_per_token_above_") and thousands.isdecimal():
            prices = _prices_of_litellm(entry, f"_above_{thousands}k_tokens")
            if prices is not None:
                steps.append(PriceStep(over=int(thousands) * 1000, prices=prices))
    return tuple(sorted(steps, key=lambda step: step.over))


def _of_models_dev(prefix: str, model: str, entry: SourceEntry) -> ModelFacts:
    limits, modalities = _object(entry, "limit"), _object(entry, "modalities")
    listed = entry.get("reasoning_options")
    options = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    efforts = next((each.get("values") for each in options if each.get("type") == "effort"), None)
    budgeted = any(each.get("type") == "budget_tokens" for each in options)
    cost = _object(entry, "cost")
    return ModelFacts(
        provider=prefix,
        model=model,
        context_window=_count(limits, "context"),
        max_input_tokens=_count(limits, "input"),
        max_output_tokens=_count(limits, "output"),
        inputs=_others(modalities.get("input")),
        outputs=_others(modalities.get("output")),
        tools=_bool(entry, "tool_call"),
        structured=_bool(entry, "structured_output"),
        sampling=_bool(entry, "temperature"),
        reasoning=_bool(entry, "reasoning"),
        efforts=tuple(level for level in EFFORTS if level in efforts) if isinstance(efforts, list) else (),
        budgeted=budgeted if options else None,
        prices=_prices_of_models_dev(cost),
        steps=_steps_of_models_dev(cost),
    )


def _prices_of_models_dev(cost: SourceEntry) -> TokenPrices | None:
    """models.dev has dollars a million tokens."""
    start = _dollars(cost.get("input"), tokens=1_000_000)
    if start is None:
        return None
    return TokenPrices(
        input=start,
        output=_dollars(cost.get("output"), tokens=1_000_000) or "0",
        cached=_dollars(cost.get("cache_read"), tokens=1_000_000),
        cache_write=_dollars(cost.get("cache_write"), tokens=1_000_000),
    )


def _steps_of_models_dev(cost: SourceEntry) -> tuple[PriceStep, ...]:
    above = cost.get("context_over_200k")
    prices = _prices_of_models_dev(above) if isinstance(above, dict) else None
    return () if prices is None else (PriceStep(over=200_000, prices=prices),)


def _together(one: ModelFacts, other: ModelFacts) -> ModelFacts:
    """What LiteLLM's map (`one`) and models.dev say of one model."""
    return msgspec.structs.replace(
        one,
        context_window=other.context_window or one.context_window,
        max_input_tokens=_least(one.max_input_tokens, other.max_input_tokens),
        max_output_tokens=_least(one.max_output_tokens, other.max_output_tokens),
        inputs=tuple(sorted({*one.inputs, *other.inputs})),
        outputs=tuple(sorted({*one.outputs, *other.outputs})),
        tools=_first(one.tools, other.tools),
        structured=_first(one.structured, other.structured),
        sampling=False if False in (one.sampling, other.sampling) else _first(one.sampling, other.sampling),
        reasoning=True
        if True in (one.reasoning, other.reasoning)
        else _first(one.reasoning, other.reasoning),
        efforts=other.efforts or one.efforts,
        budgeted=_first(one.budgeted, other.budgeted),
        prices=_first(one.prices, other.prices),
        steps=one.steps if one.prices is not None else other.steps,
    )


def _first(one: T | None, other: T | None) -> T | None:
    return other if one is None else one


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _others(names: object) -> tuple[str, ...]:
    """Modalities beside text."""
    if not isinstance(names, list):
        return ()
    return tuple(sorted({name for name in names if isinstance(name, str) and name != "text"}))


def _object(entry: SourceEntry, name: str) -> SourceEntry:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _bool(entry: SourceEntry, name: str) -> bool | None:
    found = entry.get(name)
    return found if isinstance(found, bool) else None


def _text(entry: SourceEntry, name: str) -> str | None:
    found = entry.get(name)
    return found if isinstance(found, str) else None


def _count(entry: SourceEntry, name: str) -> int | None:
    """A number of tokens above zero."""
    found = entry.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 2**31:
        return None
    return int(found)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _dollars(value: object, *, tokens: int = 1) -> str | None:
    """Dollars a token as decimal text without an exponent; None for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    dollars = Decimal(str(value)) / tokens
    if not dollars.is_finite() or dollars < 0:
        return None
    return f"{dollars.normalize():f}"
