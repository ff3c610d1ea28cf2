"""Marks of the cache as the models on Bedrock take them. A model refuses a call with one in a wrong place.

Claude takes them behind tools, the system's text and what is in messages; from the models 4.5 on also for an
hour. Nova takes them in the system and in messages, but not beside a tool's result, and for five minutes
alone. The others take none. Sources: Amazon's page on prompt caching; what Bedrock says to marks in wrong
places.
"""

from collections.abc import Sequence

import msgspec

from models_registry.backends.bedrock.models import is_claude, is_nova
from models_registry.backends.changes import Changes
from models_registry.facts.families import keeps_an_hour
from schema.dialects.bedrock import BedrockBlock, BedrockMessage, BedrockToolConfig, ConverseRequest

LEFT_OUT, SHORTENED = "cache_control", "cache_control.ttl"


def with_fit_points(request: ConverseRequest, model: str, changes: Changes) -> ConverseRequest:
    """The request with the marks that its model takes. What is left out is named in `changes`."""
    if model.startswith("arn:") or (is_claude(model) and keeps_an_hour(model)):
        return request  # nothing is known of the model behind an address
    claude, nova = is_claude(model), is_nova(model)
    system = None if request.system is None else _fit(request.system, changes, takes=claude or nova)
    turns = [_turn(turn, changes, claude=claude, nova=nova) for turn in request.messages]
    tools = request.tool_config and _tools(request.tool_config, changes, takes=claude)
    return msgspec.structs.replace(request, system=system, messages=turns, tool_config=tools)


def _turn(turn: BedrockMessage, changes: Changes, *, claude: bool, nova: bool) -> BedrockMessage:
    has_result = any(block.tool_result is not None for block in turn.content)
    content = _fit(turn.content, changes, takes=claude or (nova and not has_result))
    return msgspec.structs.replace(turn, content=content)


def _tools(config: BedrockToolConfig, changes: Changes, *, takes: bool) -> BedrockToolConfig:
    points = [tool.cache_point for tool in config.tools if tool.cache_point is not None]
    if not points:
        return config
    tools = []
    for tool in config.tools:
        if tool.cache_point is None:
            tools.append(tool)
        elif takes:
            tools.append(msgspec.structs.replace(tool, cache_point=_short(tool.cache_point, changes)))
        else:
            changes.add(LEFT_OUT)
    return msgspec.structs.replace(config, tools=tools)


def _fit(blocks: Sequence[BedrockBlock], changes: Changes, *, takes: bool) -> list[BedrockBlock]:
    found = []
    for block in blocks:
        if block.cache_point is None:
            found.append(block)
        elif takes:
            found.append(BedrockBlock(cache_point=_short(block.cache_point, changes)))
        else:
            changes.add(LEFT_OUT)
    return found


def _short(point: dict[str, str], changes: Changes) -> dict[str, str]:
    """The mark without an hour's time: it lasts five minutes then."""
    if "ttl" in point:
        changes.add(SHORTENED)
    return {"type": point["type"]}
