"""Fields of a request that a model refuses, by what is known of it."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from models_registry.facts.table import ModelFacts

SAMPLING = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
"""OpenAI's fields of how the next token is chosen, in the order in which they are shown."""
IS_DEFAULT: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "temperature": (b"1", b"1.0"),
        "top_p": (b"1", b"1.0"),
        "presence_penalty": (b"0", b"0.0"),
        "frequency_penalty": (b"0", b"0.0"),
        "logit_bias": (b"{}",),
        "logprobs": (b"false",),
        "top_logprobs": (b"0",),
        "parallel_tool_calls": (b"true",),
    }
)
"""Values that ask for what the model does anyway. No model refuses them."""
NO_STOP = re.compile(r"(?:.*/)?(?:o3|o4|gpt-5)(?!.*chat)")
"""The names of OpenAI's models that refuse `stop`."""


GROK = re.compile(r"(?:.*/)?grok-")
PLAIN_SAMPLING = ("stop", "presence_penalty", "frequency_penalty")
"""What xAI's reasoning models refuse."""


def refused_fields(facts: ModelFacts | None) -> frozenset[str]:
    """The names of a request's fields that a model refuses. Empty where nothing is known of it."""
    if facts is None:
        return frozenset()
    found: set[str] = set()
    if facts.sampling is False:
        found.update(SAMPLING)
    if facts.reasoning is False:
        found.add("reasoning_effort")
    if facts.parallel_tools is False:
        found.add("parallel_tool_calls")
    if facts.reasoning and NO_STOP.match(facts.model):
        found.add("stop")
    if facts.reasoning and GROK.match(facts.model):
        found.update(PLAIN_SAMPLING)
    return frozenset(found)
