"""Fits the schemas in a request's fields: of the answer, and of the parameters of tools."""

from collections.abc import Callable
from typing import Any

import msgspec

from models_registry.backends.claude_fitting import NULL, RawFields
from models_registry.backends.claude_schemas import fit_schema, with_object_root

_ANY = msgspec.json.Decoder()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
FitsStrict = Callable[[dict[str, Any]], bool]  # JSON Schema is any JSON


def any_strict(schema: dict[str, Any]) -> bool:
    """What a host says that has no limits of its own on `strict` tools."""
    return True


def fit_format(fields: RawFields) -> None:
    """The schema of `response_format` as Claude models take it."""
    try:
        wanted = _OBJECT.decode(fields.get("response_format", b"{}"))
        inside = _OBJECT.decode(wanted.get("json_schema", b"{}"))
        schema = _ANY.decode(inside.get("schema", NULL))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if not isinstance(schema, dict):
        return
    fit = fit_schema(schema)
    if fit != schema:
        inside["schema"] = msgspec.Raw(msgspec.json.encode(fit))
        wanted["json_schema"] = msgspec.Raw(msgspec.json.encode(inside))
        fields["response_format"] = msgspec.Raw(msgspec.json.encode(wanted))


def fit_tools(fields: RawFields, *, fits: FitsStrict) -> None:
    """Give the parameters of tools a root of type `object`, and leave out `strict` where a schema has what
    `fits` refuses."""
    try:
        tools = _OBJECTS.decode(fields.get("tools", b"[]"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    fit = [_fit_tool(tool, fits) for tool in tools]
    if any(fit):
        fields["tools"] = msgspec.Raw(msgspec.json.encode(tools))


def _fit_tool(tool: RawFields, fits: FitsStrict) -> bool:
    """Fit one tool. Gives whether it was changed."""
    try:
        function = _OBJECT.decode(tool.get("function", b"{}"))
        schema = _ANY.decode(function.get("parameters", NULL))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    changed = False
    rooted: dict[str, Any] = {"type": "object", "properties": {}}
    if isinstance(schema, dict):
        rooted = with_object_root(schema)
        changed = rooted != schema
        if changed:
            function["parameters"] = msgspec.Raw(msgspec.json.encode(rooted))
    if bytes(function.get("strict", NULL)) == b"true" and not fits(rooted):
        del function["strict"]
        changed = True
    if changed:
        tool["function"] = msgspec.Raw(msgspec.json.encode(function))
    return changed
