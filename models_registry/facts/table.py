"""What each model takes: limits, modalities, reasoning, tools, refused parameters, and prices that the price
data lacks.

The table is `models.jsonl`, one model a line. `just update-models` makes it anew from public sources
(`models_registry/facts/distill.py`). A model that the table does not know gets the plain rules of its
dialect.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""All levels of `reasoning_effort`, the least first."""
TABLE = Path(__file__).with_name("models.jsonl")
HOME: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-"),
        "anthropic": ("claude-",),
        "gemini": ("gemini-",),
        "mistral": ("mistral-", "ministral-", "magistral-", "codestral-", "pixtral-", "devstral-"),
        "xai": ("grok-",),
        "deepseek": ("deepseek-",),
        "cohere": ("command-",),
    }
)
"""The provider that makes a model, by the beginning of the model's name. Its facts hold at other hosts, where
these have no facts of their own."""
DATED = re.compile(r"[-@](?:20\d{2}-?\d{2}-?\d{2}|latest|v\d+(?::\d+)?)$|:[a-z]+$")
"""The end of a name that says a version of the model: `-2025-08-07`, `-20250929`, `@20250929`, `-latest`,
`:free`."""
ROUTE = re.compile(r".*/|ft:|(?:[a-z]+\.)?[a-z]+\.(?=[a-z])")
"""A prefix before a model's own name: `openai/`, `accounts/fireworks/models/`, `us.anthropic.`."""


OVERRIDES: Mapping[str, str] = MappingProxyType(
    {
        "supports_function_calling": "tools",
        "supports_tool_choice": "tool_choice",
        "supports_parallel_function_calling": "parallel_tools",
        "supports_forced_tool_use": "forced_tools",
        "supports_response_schema": "structured",
        "supports_native_structured_output": "native_structured",
        "supports_system_messages": "system",
        "supports_assistant_prefill": "prefill",
        "supports_sampling_params": "sampling",
        "supports_reasoning": "reasoning",
        "supports_adaptive_thinking": "adaptive",
        "supports_legacy_thinking": "budgeted",
        "thinking_always_on": "always_thinks",
        "supports_prompt_caching": "caching",
        "supports_web_search": "web_search",
    }
)
"""LiteLLM's words in `model_info` that are true or false, each with the field of ModelFacts that it sets."""
LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "max_input_tokens": "max_input_tokens",
        "max_tokens": "max_output_tokens",
        "max_output_tokens": "max_output_tokens",
        "prompt_cache_min_tokens": "min_cache_tokens",
    }
)
"""Likewise for numbers of tokens. `max_output_tokens` counts before `max_tokens`."""


PRICED = ("prices", "steps")
OF_THE_HOST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(("vertex_ai", "vertex_ai_beta"), ("native_structured",))
)
"""What a host has or lacks whatever the model's maker has. Vertex AI takes schemas and strict tools for few
Claude models, where the organization's policy allows it. Source: Google's page on structured outputs with
Claude."""


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices in dollars a token, as decimal text: `0.0000025`."""

    input: str
    output: str = "0"
    cached: str | None = None
    cache_write: str | None = None


class PriceStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The prices of a call whose prompt has more than `over` tokens."""

    over: int
    prices: TokenPrices


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model at one provider. None: no source says it."""

    provider: str
    """The prefix: `openai`, `gemini`, `together_ai`."""
    model: str
    """In lower case, without the prefix: `gpt-5`."""
    mode: str = "chat"
    """LiteLLM's word: `chat`, `responses`, `embedding`, `image_generation` and others."""
    context_window: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    """Where the sources disagree, the smallest figure."""
    inputs: tuple[str, ...] = ()
    """What it reads beside text: `image`, `pdf`, `audio`, `video`."""
    outputs: tuple[str, ...] = ()
    """What it makes beside text."""
    tools: bool | None = None
    tool_choice: bool | None = None
    parallel_tools: bool | None = None
    forced_tools: bool | None = None
    """Whether a `tool_choice` that forces a tool is taken."""
    structured: bool | None = None
    """Whether the model takes a JSON schema for its answer."""
    native_structured: bool | None = None
    """At Anthropic: whether it takes the schema in `output_format`."""
    system: bool | None = None
    prefill: bool | None = None
    """Whether the last message may be the beginning of the model's answer."""
    sampling: bool | None = None
    """Whether it takes `temperature`, `top_p` and their like."""
    reasoning: bool | None = None
    efforts: tuple[str, ...] = ()
    """The levels of `reasoning_effort` that it takes, the least first: `none`, `minimal`, `low`, `medium`,
    `high`, `xhigh`, `max`."""
    default_effort: str | None = None
    adaptive: bool | None = None
    """Whether it takes adaptive thinking, with an effort in place of a budget."""
    budgeted: bool | None = None
    """Whether it takes a budget of thinking in tokens."""
    always_thinks: bool | None = None
    caching: bool | None = None
    min_cache_tokens: int | None = None
    web_search: bool | None = None
    deprecated: date | None = None
    """The day from which the provider no longer serves it."""
    prices: TokenPrices | None = None
    """Where the price data has none."""
    steps: tuple[PriceStep, ...] = ()
    """Ascending."""


_LINES = msgspec.json.Decoder(ModelFacts)


@lru_cache(maxsize=1)
def _table() -> Mapping[tuple[str, str], ModelFacts]:
    found = _LINES.decode_lines(TABLE.read_bytes())
    return {(each.provider, each.model): each for each in found}


@lru_cache(maxsize=4096)
def facts_of(provider: str, model: str) -> ModelFacts | None:
    """What is known of a model at a provider. What the entry of its own does not say, the entry of the name
    without its date says (`gpt-5` for `gpt-5-2025-08-07`), then that of the provider that makes the model.
    None: nobody knows it. Prices are those of the provider itself."""
    name = model.lower()
    own = list(_versions(provider, name))
    while (route := ROUTE.match(name)) is not None:
        name = name[route.end() :]
    maker = next((each for each, beginnings in HOME.items() if name.startswith(beginnings)), None)
    made = [] if maker is None else [*_versions(maker, name), *_versions(maker, name.replace(".", "-"))]
    if not own and not made:
        return None
    found: dict[str, object] = {}
    for each in (*own, *made):
        for field in ModelFacts.__struct_fields__:
            value = getattr(each, field)
            inherits = field not in PRICED and field not in OF_THE_HOST.get(provider, ())
            if value not in (None, ()) and (inherits or each in own):
                found.setdefault(field, value)
    return ModelFacts(**{**found, "provider": provider, "model": model.lower()})  # type: ignore[arg-type]


def _versions(provider: str, name: str) -> Iterator[ModelFacts]:
    """The entries of a name, and of the name without its date."""
    table = _table()
    while True:
        found = table.get((provider, name))
        if found is not None:
            yield found
        shorter = DATED.sub("", name)
        if shorter == name:
            return
        name = shorter


def overridden(
    facts: ModelFacts | None, provider: str, model: str, info: Mapping[str, Any]
) -> ModelFacts | None:
    """The facts with what the config's `model_info` says in LiteLLM's words. None: nobody says anything."""
    said: dict[str, object] = {}
    for name, field in OVERRIDES.items():
        if isinstance(info.get(name), bool):
            said[field] = info[name]
    for name, field in LIMITS.items():
        value = info.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            said[field] = value
    levels = info.get("reasoning_effort_levels")
    if isinstance(levels, list) and all(isinstance(level, str) for level in levels):
        said["efforts"] = tuple(levels)
    if not said:
        return facts
    known = facts or ModelFacts(provider=provider, model=model.lower())
    return msgspec.structs.replace(known, **said)


def listed(provider: str) -> list[ModelFacts]:
    """All models of a provider that the table knows, by name."""
    return sorted(
        (each for each in _table().values() if each.provider == provider), key=lambda each: each.model
    )
