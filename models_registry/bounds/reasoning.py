"""Which models may reason unseen. Such tokens are billed and never sent, so the bytes that were relayed are
no bound of them.

A model that reasons may have any name: `openai/o3`, `gemini-2.5-pro`, a name of one's own. So each model in
the cloud is taken to reason, unless its family is a plain one (`models_registry/facts/families.py`) or the
config says that it does not reason.
"""

from collections.abc import Mapping

import msgspec

from models_registry.facts.families import is_plain
from models_registry.target import Target

SWITCHES = frozenset(
    (
        "reasoning_effort",
        "reasoning",
        "thinking",
        "output_config",
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
"""Fields with which a request asks for reasoning, at one provider or another. Google's fields stand in
`extra_body`, which is unpacked among a deployment's own parameters."""
OFF = (b"null", b"false", b'"none"', b'{"type":"disabled"}')
"""Values that ask for no reasoning, without blanks."""


def reasons_unseen(fields: Mapping[str, msgspec.Raw], target: Target) -> bool:
    """Whether the model may have used more tokens for an answer than the answer shows. `fields` are those of
    the request, on any surface."""
    return not _is_near(target) and may_reason(fields, target)


def may_reason(fields: Mapping[str, msgspec.Raw], target: Target) -> bool:
    """Whether the model may reason before it answers. A local model, and any model of Ollama, does so only
    where the request or the deployment asks for it, or the config says so."""
    if _asks(fields) or _asks(target.params):
        return True
    if target.supports_reasoning is not None:
        return target.supports_reasoning
    return not (_is_near(target) or is_plain(target.model))


def _is_near(target: Target) -> bool:
    return target.local or target.dialect.facts.shows_thinking


def _asks(fields: Mapping[str, msgspec.Raw]) -> bool:
    asked = SWITCHES.intersection(fields)
    return any(b"".join(bytes(fields[name]).split()) not in OFF for name in asked)
