"""Which models may reason where nobody sees it. Such tokens are billed and never sent: what was relayed of an
answer is no bound of it.

Reasoners stand behind any name: `openai/o3`, `gemini-2.5-pro`, a deployment of one's own. So a model in the
cloud may, unless its family is a plain one (`models_registry/facts/families.py`), or the config says that it
does not.
"""

from collections.abc import Mapping

import msgspec

from models_registry.facts.families import is_plain
from models_registry.target import Target
from schema.chat import ChatRequest

SWITCHES = frozenset(
    (
        "reasoning_effort",
        "reasoning",
        "thinking",
        "thinking_budget",
        "thinking_budget_tokens",
        "thinking_token_budget",
        "enable_thinking",
        "think",
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
    return target.local or target.dialect.facts.shows_thinking


def _asks(fields: Mapping[str, msgspec.Raw]) -> bool:
    asked = SWITCHES.intersection(fields)
    return any(b"".join(bytes(fields[name]).split()) not in OFF for name in asked)
