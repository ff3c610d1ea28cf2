"""Tools of Responses as functions.

A custom tool takes a text and no JSON. It becomes a function with one argument, `input`, and the call of
that function becomes a `custom_tool_call` again. A grammar for the text goes into the description, since no
other provider holds a model to one. The tools of a namespace become functions with both names.
"""

import hashlib
from typing import NamedTuple

import msgspec

from models_registry.fronts.responses.reading import CHOICES, TOOLS, read, unsupported
from schema.chat import ChosenFunction, FunctionSpec, Tool, ToolChoice
from schema.errors.requests import InvalidRequest
from schema.responses import NamedTool, ResponsesRequest, ToolSpecification
from schema.wire import ABSENT, present

FUNCTION, CUSTOM, NAMESPACE = "function", "custom", "namespace"
ALLOWED = "allowed_tools"
JOIN = "__"
MAX_NAME_CHARS = 64
"""The longest name of a function that all providers take."""
HASH_CHARS = 8
INPUT = "input"
"""The argument of a function that stands for a custom tool."""
INPUT_SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The tool\'s whole input as '
    b'plain text."}},"required":["input"],"additionalProperties":false}'
)
MODES = frozenset({"auto", "none", "required"})


class CalledAs(NamedTuple):
    """How a client calls the tool that a model knows as a function."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


def function_name(name: str, namespace: str | None) -> str:
    """The name of a function that stands for a tool of a namespace, such as `crm__find`."""
    if not namespace:
        return name
    joined = namespace + name if namespace.endswith(JOIN) else f"{namespace}{JOIN}{name}"
    if len(joined) <= MAX_NAME_CHARS:
        return joined
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:HASH_CHARS]
    return f"{joined[: MAX_NAME_CHARS - HASH_CHARS - 1]}_{digest}"


class ToolBox:
    """The tools of a request: the functions for the model, and what each of them stands for."""

    def __init__(self, request: ResponsesRequest, *, drops: bool) -> None:
        """`drops`: a tool that only OpenAI runs is left out. Else it is refused by name."""
        self.called_as: dict[str, CalledAs] = {}
        self.functions: list[Tool] = []
        self._drops = drops
        tools: list[ToolSpecification] | None = read(TOOLS, request.tools, "tools")
        for place, tool in enumerate(tools or ()):
            self._add(tool, f"tools[{place}]", None)
        self.choice = self._chosen(read(CHOICES, request.tool_choice, "tool_choice"))

    def _add(self, tool: ToolSpecification, where: str, namespace: str | None) -> None:
        if tool.kind == NAMESPACE and namespace is None:
            for place, inner in enumerate(tool.tools or ()):
                self._add(inner, f"{where}.tools[{place}]", tool.name or "")
            return
        if tool.kind not in (FUNCTION, CUSTOM):
            if self._drops:
                return
            raise unsupported(f"{where}.type", f"'{tool.kind}' is a tool that OpenAI runs itself")
        if not tool.name:
            raise InvalidRequest(f"'{where}.name' is missing.", param=f"{where}.name")
        name = function_name(tool.name, namespace)
        if name in self.called_as:
            raise InvalidRequest(f"'{where}.name': two tools have the name '{name}'.", param=f"{where}.name")
        self.called_as[name] = CalledAs(tool.name, namespace or None, tool.kind == CUSTOM)
        self.functions.append(_function(tool, name))

    def _chosen(self, choice: str | NamedTool | None) -> str | ToolChoice | None:
        """The choice among the functions. `allowed_tools` leaves the others out."""
        if choice is None:
            return None
        if isinstance(choice, str):
            if choice not in MODES:
                raise InvalidRequest(f"'tool_choice' is '{choice}', which is no mode.", param="tool_choice")
            return choice if self.functions or choice != "auto" else None
        if choice.kind == ALLOWED:
            allowed = {self._known(tool) for tool in choice.tools or ()}
            self.functions = [tool for tool in self.functions if _name_of(tool) in allowed]
            return choice.mode if self.functions and choice.mode in MODES else None
        name = self._known(choice)
        return None if name is None else ToolChoice(kind=FUNCTION, function=ChosenFunction(name=name))

    def _known(self, tool: NamedTool) -> str | None:
        if tool.kind not in (FUNCTION, CUSTOM):
            if self._drops:
                return None
            raise unsupported("tool_choice", f"'{tool.kind}' is a tool that OpenAI runs itself")
        name = function_name(tool.name or "", tool.namespace)
        if name not in self.called_as:
            raise InvalidRequest(
                f"'tool_choice' names '{name}', which is not among the tools.", param="tool_choice"
            )
        return name


def _name_of(tool: Tool) -> str:
    return tool.function.name if tool.function is not None else ""


def _function(tool: ToolSpecification, name: str) -> Tool:
    if tool.kind == CUSTOM:
        spec = FunctionSpec(name=name, description=_described(tool), parameters=INPUT_SCHEMA)
    else:
        parameters = tool.parameters if present(tool.parameters) else ABSENT
        spec = FunctionSpec(
            name=name, description=tool.description, parameters=parameters, strict=tool.strict
        )
    return Tool(kind=FUNCTION, function=spec, cache_control=tool.cache_control)


def _described(tool: ToolSpecification) -> str | None:
    form = tool.format
    if form is None or not form.definition:
        return tool.description
    grammar = f"The input has to fit this {form.syntax or ''} grammar:\n{form.definition}"
    return f"{tool.description}\n\n{grammar}" if tool.description else grammar


def custom_arguments(text: str) -> str:
    """The arguments of the function that stands for a custom tool."""
    return msgspec.json.encode({INPUT: text}).decode()


def custom_input(arguments: str) -> str:
    """The text for a custom tool, from the arguments of its function. Arguments of another form are the text
    themselves."""
    try:
        found = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return arguments
    if isinstance(found, dict) and isinstance(found.get(INPUT), str):
        return str(found[INPUT])
    return found if isinstance(found, str) else arguments
