"""Tools and the choice among them, as chat has them."""

from types import MappingProxyType

import msgspec

from models_registry.target import Target
from schema.chat import ChosenFunction, FunctionSpec, Tool, ToolChoice
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.messages import DeclaredTool, ToolUseChoice
from schema.wire import ABSENT, MaybeRaw, present

CUSTOM = (None, "custom")
"""Types of tools that the caller defines."""
CHOICES = MappingProxyType({"auto": "auto", "any": "required", "none": "none"})
_TOOLS = msgspec.json.Decoder(list[DeclaredTool])
_CHOICE = msgspec.json.Decoder(ToolUseChoice)


def tools_of(raw: MaybeRaw, target: Target, *, marks: bool) -> list[Tool]:
    """The caller's tools. Raises InvalidRequest, and UnsupportedParameter for a tool that Anthropic defines:
    it runs there, or only Anthropic's models know its input."""
    if not present(raw):
        return []
    try:
        declared = _TOOLS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'tools' is malformed: {exc}", param="tools") from exc
    return [_tool(tool, f"tools[{place}]", target, marks=marks) for place, tool in enumerate(declared)]


def _tool(tool: DeclaredTool, where: str, target: Target, *, marks: bool) -> Tool:
    if tool.kind not in CUSTOM:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}', a tool of Anthropic's: the provider '{target.provider}' of "
            f"'{target.public_name}' does not have it.",
            param=f"{where}.type",
        )
    if not tool.name:
        raise InvalidRequest(f"'{where}.name' is missing.", param=f"{where}.name")
    return Tool(
        kind="function",
        function=FunctionSpec(
            name=tool.name,
            description=tool.description,
            parameters=tool.input_schema if present(tool.input_schema) else ABSENT,
            strict=tool.strict or None,
        ),
        cache_control=tool.cache_control if marks and present(tool.cache_control) else ABSENT,
    )


def tool_choice_fields(raw: MaybeRaw, *, has_tools: bool) -> dict[str, object]:
    """The fields of chat that say which tool is called, and how many at once. Raises InvalidRequest."""
    if not present(raw):
        return {}
    try:
        choice = _CHOICE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'tool_choice' is malformed: {exc}", param="tool_choice") from exc
    if not has_tools:
        if choice.kind in ("auto", "none"):
            return {}
        raise InvalidRequest("'tool_choice' is set without 'tools'.", param="tool_choice")
    fields: dict[str, object] = {}
    if choice.disable_parallel_tool_use:
        fields["parallel_tool_calls"] = False
    if choice.kind == "tool" and choice.name:
        fields["tool_choice"] = ToolChoice(kind="function", function=ChosenFunction(name=choice.name))
    elif choice.kind in CHOICES:
        if choice.kind != "auto":
            fields["tool_choice"] = CHOICES[choice.kind]
    else:
        raise InvalidRequest(
            "'tool_choice.type' must be auto, any, none, or tool with a name.", param="tool_choice.type"
        )
    return fields
