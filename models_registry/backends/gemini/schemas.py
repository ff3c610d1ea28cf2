"""JSON schemas as Google takes them in `parametersJsonSchema` and `responseJsonSchema`.

Google reads JSON Schema, with two exceptions that are errors there: `$schema`, and anything beside a `$ref`.
Keywords that it does not know it leaves unread.
"""

from typing import Any  # any JSON

import msgspec

from models_registry.backends.claude_schemas import with_object_root

_ANY = msgspec.json.Decoder()
MAX_DEPTH = 100
DROPPED = frozenset({"$schema", "$id", "strict"})


def fit_schema(raw: msgspec.Raw) -> msgspec.Raw:
    """The schema without what Google refuses. What is no object goes on as it is."""
    if b'"$' not in bytes(raw) and b'"strict"' not in bytes(raw):
        return raw
    try:
        schema = _ANY.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw
    return msgspec.Raw(msgspec.json.encode(_fit(schema, 0)))


def fit_parameters(raw: msgspec.Raw) -> msgspec.Raw:
    """The schema of a tool's parameters. Google wants an object at its root."""
    try:
        schema = _ANY.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw
    if not isinstance(schema, dict):
        return raw
    rooted = with_object_root(schema)
    return fit_schema(raw if rooted == schema else msgspec.Raw(msgspec.json.encode(rooted)))


def _fit(node: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return node
    if isinstance(node, list):
        return [_fit(each, depth + 1) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {name: value for name, value in node.items() if name == "$ref" or name == "$defs"}
    return {
        name: _fit_named(value, depth)
        if name in ("properties", "$defs", "definitions")
        else _fit(value, depth + 1)
        for name, value in node.items()
        if name not in DROPPED
    }


def _fit_named(node: Any, depth: int) -> Any:
    """Schemas by names of the caller's own, which may be any word."""
    if not isinstance(node, dict):
        return node
    return {name: _fit(value, depth + 1) for name, value in node.items()}
