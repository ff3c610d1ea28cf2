"""What a model's name tells, whichever host serves it: whether the model reasons, searches or runs tools by
itself."""

import re
from functools import lru_cache

PLAIN = (
    "babbage",
    "davinci",
    "gpt-3.5",
    "gpt-4",  # with gpt-4-turbo, gpt-4o, gpt-4.1, gpt-4.5
    "chatgpt-4o",
    "claude-instant",
    "claude-2",
    "claude-3",
    "claude-haiku-4",
    "claude-sonnet-4",
    "claude-opus-4",
    "mistral",
    "open-mistral",
    "open-mixtral",
    "mixtral",
    "ministral",
    "codestral",
    "pixtral",
    "command-r",
    "deepseek-chat",
    "gemini-1",
    "grok-2",
)
"""Beginnings of the names of plain families. A plain model reasons only where a request asks for it, or
never."""
SEARCHING = re.compile(r".*-search-(?:preview|api)|(?:.*/)?sonar(?![a-z0-9])")
"""The names of models that search the web at every call: `gpt-4o-search-preview`, `perplexity/sonar-pro`."""
AGENTS = re.compile(r"(?:.*/)?compound\b|.*deep-research|.*:online$|openrouter/auto$")
"""The names of models that run tools or other models at every call, so that no field bounds what a call uses:
Groq's compound systems, deep research, OpenRouter's searching variants and its own choice of a model."""

_BEFORE_STRICT = re.compile(
    r".*claude-(?:instant|v?[123](?![0-9])|(?:opus|sonnet)-4(?:-0)?(?:[-@]20\d{6}|[-@:]v|@default|$))",
    re.IGNORECASE,
)
"""The names of Claude models from before strict tools, which came with Claude Opus 4.1 and the models 4.5."""

_BEFORE_HOURS = re.compile(rf"{_BEFORE_STRICT.pattern}|.*claude-opus-4-1(?!\d)", re.IGNORECASE)
"""The names of Claude models on Bedrock whose prompts are cached for five minutes alone."""
_THINKS_BACK = re.compile(r"(?:.*/)?deepseek-(?:v[4-9]|flash|reasoner)", re.IGNORECASE)

_ROUTE = re.compile(r".*/|ft:|[a-z-]+\.(?=[a-z])")
"""A prefix before a model's own name: `openai/`, `accounts/fireworks/models/`, `ft:`, `us.anthropic.`."""
_PLAIN = re.compile(rf"(?:{'|'.join(map(re.escape, PLAIN))}|grok-3(?!-mini)|.*non-reasoning)(?!\d)")
_VARIANT = re.compile(r"think|(?<!non-)reason")


@lru_cache(maxsize=4096)
def is_plain(model: str) -> bool:
    """Whether a model is known not to reason by itself."""
    name = model.lower()
    while (route := _ROUTE.match(name)) is not None:
        name = name[route.end() :]
    return _PLAIN.match(name) is not None and _VARIANT.search(name) is None


@lru_cache(maxsize=4096)
def searches_always(model: str) -> bool:
    """Whether a model searches the web at every call."""
    return SEARCHING.match(model.lower()) is not None


def is_agent(model: str) -> bool:
    """Whether a model runs tools or other models at every call: `groq/compound-mini`,
    `openai/gpt-4o:online`."""
    return AGENTS.match(model.lower()) is not None


def knows_strict_tools(model: str) -> bool:
    """Whether a Claude model takes `strict` at a tool."""
    return _BEFORE_STRICT.match(model) is None


def keeps_an_hour(model: str) -> bool:
    """Whether a Claude model on Bedrock can keep a prompt for an hour."""
    return _BEFORE_HOURS.match(model) is None


@lru_cache(maxsize=4096)
def wants_thinking_back(model: str) -> bool:
    """Whether a model refuses a conversation with tools in which an answer of its own lacks its thinking."""
    return _THINKS_BACK.match(model) is not None


def marks_caches(model: str) -> bool:
    """Whether the hosts of a model take Anthropic's marks of what is to be cached: those of Claude do, also
    where they speak OpenAI's dialect (OpenRouter)."""
    return "claude" in model.lower()
