"""JSON Schemas in the part of JSON Schema that Anthropic takes.

An answer's schema, and one of a `strict` tool, have objects that are closed (`additionalProperties: false`),
no `oneOf`, and no bounds of numbers, texts or lists. What can't be sent stands in the description, where the
model reads it. Source: Anthropic's documentation of structured outputs, and its Python SDK 2.12.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Schema = Mapping[str, Any]  # JSON Schema is any JSON
MAX_DEPTH = 50
"""Deeper schemas are left as they are from there on."""
TOLD = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
)
"""Constraints that are told in the description."""
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
NESTED = ("properties", "$defs", "definitions")
LISTED = ("anyOf", "allOf")


def fit_schema(schema: Schema, depth: int = 0) -> dict[str, Any]:
    """The schema as Anthropic takes it for an answer."""
    if depth > MAX_DEPTH:
        return dict(schema)
    found = _told(schema)
    if "oneOf" in found:
        found["anyOf"] = [*_list(found.pop("oneOf")), *_list(found.get("anyOf"))]
    for name in NESTED:
        inside = found.get(name)
        if isinstance(inside, dict):
            found[name] = {key: _fit(each, depth) for key, each in inside.items()}
    for name in LISTED:
        inside = found.get(name)
        if isinstance(inside, list):
            found[name] = [_fit(each, depth) for each in inside]
    if "items" in found:
        found["items"] = _fit(found["items"], depth)
    if found.get("type") == "object" or "properties" in found:
        found["type"] = found.get("type", "object")
        found["additionalProperties"] = False
    return found


def fits_strict(schema: Schema) -> bool:
    """Whether a tool with this schema may be `strict`."""
    return fit_schema(schema) == schema


def with_object_root(schema: Schema) -> dict[str, Any]:
    """The schema of a tool's parameters with a root of type `object` and no union at the root. The branches
    of a union become one object that takes the fields of all of them."""
    found = dict(schema)
    branches = [
        each
        for name in ("anyOf", "oneOf", "allOf")
        for each in _list(found.pop(name, None))
        if isinstance(each, dict)
    ]
    if branches:
        alternatives = [name for name in ("anyOf", "oneOf") if name in schema]
        found = _joined(found, branches, all_hold=not alternatives)
    if found.get("type") != "object":
        found["type"] = "object"
    found["properties"] = _object(found.get("properties"))
    return found


def _joined(root: dict[str, Any], branches: list[dict[str, Any]], *, all_hold: bool) -> dict[str, Any]:
    properties = _object(root.get("properties"))
    for branch in branches:
        for name, each in _object(branch.get("properties")).items():
            properties.setdefault(name, each)
    required = [_names(branch.get("required")) for branch in branches]
    wanted = set.union(*required) if all_hold else set.intersection(*required)
    found = {**root, "properties": properties}
    together = sorted(_names(root.get("required")) | wanted)
    if together:
        found["required"] = together
    if not all_hold:
        choices = msgspec.json.encode([sorted(each) for each in required]).decode()
        _tell(found, f"one of these sets of fields is needed: {choices}")
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _names(value: object) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _fit(each: Any, depth: int) -> Any:
    return fit_schema(each, depth + 1) if isinstance(each, dict) else each


def _told(schema: Schema) -> dict[str, Any]:
    """The schema without the constraints that can't be sent, which its description tells."""
    found = dict(schema)
    told = {name: found.pop(name) for name in TOLD if name in found}
    if found.get("minItems") not in (None, 0, 1):
        told["minItems"] = found.pop("minItems")
    if isinstance(found.get("format"), str) and found["format"] not in FORMATS:
        told["format"] = found.pop("format")
    extra = found.get("additionalProperties")
    if isinstance(extra, dict):
        told["additionalProperties"] = found.pop("additionalProperties")
    if told:
        words = (f"{name}: {msgspec.json.encode(each).decode()}" for name, each in told.items())
        _tell(found, ", ".join(words))
    return found


def _tell(schema: dict[str, Any], text: str) -> None:
    before = schema.get("description")
    schema["description"] = f"{before} ({text})" if isinstance(before, str) and before else f"({text})"
