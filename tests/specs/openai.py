"""OpenAI's OpenAPI document as a judge of answers."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from tests.specs.distill import FILE


@lru_cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@lru_cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**_document(), "$ref": f"#/components/schemas/{name}"})


@lru_cache
def _events() -> dict[str, str]:
    """The names of the schemas of events, by the events' types."""
    schemas = _document()["components"]["schemas"]
    names = [each["$ref"].rpartition("/")[2] for each in schemas["ResponseStreamEvent"]["anyOf"]]
    return {kind: name for name in names for kind in schemas[name]["properties"]["type"]["enum"]}


def violations(name: str, value: Any) -> list[str]:
    """What is wrong with a value by the schema of this name, such as `Response`."""
    return list(map(_told, _validator(name).iter_errors(value)))


def event_violations(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event of a stream."""
    name = _events().get(event["type"])
    return [f"no event {event['type']}"] if name is None else violations(name, event)


def _told(error: ValidationError) -> str:
    best = best_match([error])
    return "; ".join(_reasons(best or error))


def _reasons(error: ValidationError) -> Iterator[str]:
    path = "/".join(map(str, error.absolute_path))
    yield f"{path}: {error.message[:200]}"
    deepest = sorted(error.context or (), key=lambda each: -len(each.absolute_path))
    for each in deepest[:2]:
        yield from _reasons(each)
