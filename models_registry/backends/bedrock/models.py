"""What tells the models on Bedrock apart: makers, and regions in their names."""

import re

from models_registry.target import Target

REGION = re.compile(r"(?:us|eu|ap|ca|sa|me|af|il|mx|us-gov)-[a-z]+-\d+")
"""A region of Amazon's, such as `eu-central-1`."""
ROUTES = ("converse/", "converse_like/", "invoke/")
"""LiteLLM's words for how a model is called. Each is called by Converse here."""


_FORCED = re.compile(r"claude|amazon\.nova|mistral-large|deepseek")
"""Parts of the names of models that can be made to call a tool."""


def model_and_region(model: str) -> tuple[str, str | None]:
    """`us-west-2/anthropic.claude-v2` as the model's id and its region. The id may be the address of a
    resource (`arn:aws:bedrock:...`), which names a region too. None: the name has none."""
    for route in ROUTES:
        model = model.removeprefix(route)
    first, slash, rest = model.partition("/")
    if slash and REGION.fullmatch(first):
        return rest, first
    if model.startswith("arn:"):
        parts = model.split(":")
        return model, parts[3] if len(parts) > 3 and REGION.fullmatch(parts[3]) else None
    return model, None


def known_as(target: Target) -> str:
    """The model's name, which tells its maker. The address of a profile tells none, but the table of facts
    may know the model behind it."""
    is_address = model_and_region(target.model)[0].startswith("arn:")
    return target.facts.model if is_address and target.facts is not None else target.model


def is_claude(model: str) -> bool:
    return "claude" in model


def is_nova(model: str) -> bool:
    return "amazon.nova" in model


def is_qwen(model: str) -> bool:
    return "qwen." in model


def takes_any_tool(model: str) -> bool:
    """Whether a model can be made to call some tool, or a certain one."""
    return _FORCED.search(model) is not None
