"""JSON Schemas in the part of JSON Schema that Anthropic takes.

An answer's schema, and one of a `strict` tool, have objects that are closed (`additionalProperties: false`),
no `oneOf`, and no bounds of numbers, texts or lists. What can't be sent stands in the description, where the
model reads it. Source: Anthropic's documentation of structured outputs, and its Python SDK 2.12.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from models_registry.facts.families import knows_strict_tools

Schema = Mapping[str, Any]  # JSON Schema is any JSON
ROOT_WORDS = ("anyOf", "oneOf", "allOf", "$ref")
MAX_REFERENCES = 10
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


def fits_strict(schema: Schema, model: str) -> bool:
    """Whether a tool with this schema may be `strict` at a Claude model."""
    return knows_strict_tools(model) and fit_schema(schema) == schema


def with_object_root(schema: Schema) -> dict[str, Any]:
    """The schema of a tool's parameters with a root of type `object` and no union at the root. The branches
    of a union become one object that takes the fields of all of them."""
    found = {name: each for name, each in schema.items() if name not in ROOT_WORDS}
    whole = [_resolved(each, schema) for each in _list(schema.get("allOf")) if isinstance(each, dict)]
    if "$ref" in schema:
        whole.append(_resolved({"$ref": schema["$ref"]}, schema))
    either = [
        _resolved(each, schema)
        for name in ("anyOf", "oneOf")
        for each in _list(schema.get(name))
        if isinstance(each, dict)
    ]
    properties = _object(found.get("properties"))
    for branch in whole:
        for name, each in _object(branch.get("properties")).items():
            properties.setdefault(name, each)
    for name in dict.fromkeys(name for branch in either for name in _object(branch.get("properties"))):
        if name not in properties:
            properties[name] = _any_of([_object(branch.get("properties")).get(name) for branch in either])
    required = set.union(_names(found.get("required")), *(_names(each.get("required")) for each in whole))
    if either:
        sets = [_names(branch.get("required")) for branch in either]
        required |= set.intersection(*sets)
        choices = msgspec.json.encode([sorted(each) for each in sets]).decode()
        _tell(found, f"one of these sets of fields is needed: {choices}")
    if required:
        found["required"] = sorted(required)
    found["type"] = "object"
    found["properties"] = properties
    return found


def _any_of(variants: list[Any]) -> Any:
    """One schema for a field that branches define in different ways."""
    distinct: list[Any] = []
    for each in variants:
        if each is not None and each not in distinct:
            distinct.append(each)
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _resolved(branch: dict[str, Any], root: Schema) -> dict[str, Any]:
    """The branch, or what its reference within the schema leads to."""
    for _ in range(MAX_REFERENCES):
        path = branch.get("$ref")
        if not isinstance(path, str) or not path.startswith("#/"):
            break
        found: Any = root
        for step in path[2:].split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            break
        branch = found
    return branch


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
