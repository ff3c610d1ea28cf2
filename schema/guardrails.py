"""Guardrails as they are listed, and a question to one of them."""

from typing import Any

import msgspec

from schema.wire import Wire


class GuardrailsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /guardrails/list takes nothing."""


class ShownParams(msgspec.Struct, frozen=True, kw_only=True):
    """What people are told of a guardrail's settings: no address and no credential."""

    guardrail: str
    mode: list[str]
    default_on: bool
    unreachable_fallback: str
    fail_on_error: bool
    residency: str
    """`local` or `cloud`."""


class ShownGuardrail(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's shape."""

    guardrail_name: str
    litellm_params: ShownParams
    guardrail_info: Any = None  # the config's own mapping
    guardrail_definition_location: str = "config"


class GuardrailList(msgspec.Struct, frozen=True, kw_only=True):
    guardrails: list[ShownGuardrail]
    not_in_force: list[str] = []
    """Ours: names of guardrails that the config has, or a model names, and that are not in force. Their calls
    are refused."""
    rules: list[str] = []
    """Ours: the names of the rules about contents."""


class ApplyRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /guardrails/apply_guardrail: a text that a guardrail is asked about."""

    guardrail_name: str
    text: str
    input_type: str = "request"
    """`request` or `response`."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    response_text: str
    """The text as the guardrail lets it through."""
