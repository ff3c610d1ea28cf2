"""Which models may reason where nobody sees it. Such tokens are billed and never sent: what was relayed of an
answer is no bound of it.

Reasoners stand behind any name: `openai/o3`, `gemini-2.5-pro`, a deployment of one's own. So a model in the
cloud may, unless it is one of the families here, or the config says that it does not.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from models_registry.target import Dialect, Target
from schema.chat import ChatRequest

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
"""How the names of families begin that reason, if at all, only where a request asks for it."""
SWITCHES = frozenset(
    (
        "reasoning_effort",
        "reasoning",
        "thinking",
        "thinking_budget",
        "thinking_budget_tokens",
        "thinking_token_budget",
        "enable_thinking",
        "chat_template_kwargs",
        "extra_body",
        "google",
        "generation_config",
    )
)
"""Fields with which a request asks for it, at one provider or another (Google's stands in `extra_body`, which
a deployment's own parameters are unpacked from)."""
OFF = (b"null", b"false", b'"none"', b'{"type":"disabled"}')
"""Without blanks."""

_ROUTE = re.compile(r".*/|ft:|[a-z-]+\.(?=[a-z])")
"""What stands before a name: `openai/`, `accounts/fireworks/models/`, `ft:`, `us.anthropic.`."""
_PLAIN = re.compile(rf"(?:{'|'.join(map(re.escape, PLAIN))}|grok-3(?!-mini)|.*non-reasoning)(?!\d)")
_VARIANT = re.compile(r"think|(?<!non-)reason")


def reasons_unseen(request: ChatRequest, target: Target) -> bool:
    """Whether the answer may have cost more than what of it can be seen."""
    return not _is_near(target) and may_reason(request, target)


def may_reason(request: ChatRequest, target: Target) -> bool:
    """Whether the model may reason before it answers. What runs on one's own machines does where it is asked
    to, or the config says so."""
    if _asks(request.raw or request.fields()) or _asks(target.params):
        return True
    if target.supports_reasoning is not None:
        return target.supports_reasoning
    return not (_is_near(target) or is_plain(target.model))


def _is_near(target: Target) -> bool:
    return target.local or target.dialect is Dialect.OLLAMA


@lru_cache(maxsize=4096)
def is_plain(model: str) -> bool:
    """Whether a model is known not to reason by itself."""
    name = model.lower()
    while (route := _ROUTE.match(name)) is not None:
        name = name[route.end() :]
    return _PLAIN.match(name) is not None and _VARIANT.search(name) is None


def _asks(fields: Mapping[str, msgspec.Raw]) -> bool:
    asked = SWITCHES.intersection(fields)
    return any(b"".join(bytes(fields[name]).split()) not in OFF for name in asked)
