"""Which deployments are asked by Responses alone: those whose models have no chat at the provider, and those
of which the config says so in LiteLLM's words."""

from collections.abc import Mapping
from typing import Any

from models_registry.dialects import Dialect
from models_registry.facts.table import ModelFacts
from models_registry.target import Target
from models_registry.turns.surfaces import Surface

BRIDGED = "responses/"
"""What stands before the name of a model that is to be asked by Responses: `openai/responses/gpt-5-codex`."""
MODE, ENDPOINTS = "mode", "supported_endpoints"
RESPONSES, CHAT = "/v1/responses", "/v1/chat/completions"


def named_so(model: str, info: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `model_info` of a deployment, with what the name in its `litellm_params.model` says."""
    return {**info, MODE: "responses"} if BRIDGED in model else info


def dialect_of(target: Target, facts: ModelFacts | None) -> Dialect:
    """The dialect in which a deployment's model is asked. What the config says counts before the table."""
    alone = target.dialect.facts.without_chat
    if alone is None:
        return target.dialect
    endpoints = target.info.get(ENDPOINTS)
    if isinstance(endpoints, list):
        stated = RESPONSES in endpoints and CHAT not in endpoints
    else:
        stated = target.info.get(MODE) == "responses"
    known = facts is not None and facts.mode == "responses" and Surface.RESPONSES in target.more_surfaces
    unsaid = target.info.get(MODE) is None and endpoints is None
    return alone if stated or (known and unsaid) else target.dialect
