"""Takes out of OpenAI's OpenAPI document what answers are made of, as one JSON Schema:
`python -m tests.specs.distill openai-openapi.json`. Descriptions and examples are left out."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("openai_answers.json")
ROOTS = (
    "CreateChatCompletionResponse",
    "CreateChatCompletionStreamResponse",
    "CreateCompletionResponse",
    "CreateEmbeddingResponse",
    "CreateResponse",
    "ErrorResponse",
    "ListModelsResponse",
    "Response",
    "ResponseItemList",
    "ResponseStreamEvent",
)
IDLE = frozenset({"description", "example", "examples", "title", "default", "deprecated", "externalDocs"})
PREFIX = "#/components/schemas/"


def references(node: Any) -> Iterator[str]:
    """The names of the schemas that a schema refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(PREFIX)
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def plain(node: Any, *, in_properties: bool = False) -> Any:
    """A schema without what says nothing of values. The members of `properties` are names, and stay."""
    if isinstance(node, dict):
        kept = {
            name: value
            for name, value in node.items()
            if in_properties or (name not in IDLE and not name.startswith("x-") and name != "discriminator")
        }
        made = {
            name: plain(value, in_properties=name == "properties" and not in_properties)
            for name, value in kept.items()
            if name != "nullable" or in_properties
        }
        return {"anyOf": [made, {"type": "null"}]} if kept.get("nullable") is True else made
    return [plain(value) for value in node] if isinstance(node, list) else node


def distilled(document: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the roots, and all that they refer to."""
    schemas, found, waiting = document["components"]["schemas"], {}, list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = plain(schemas[name])
            waiting += references(found[name])
    return {"components": {"schemas": dict(sorted(found.items()))}}


if __name__ == "__main__":
    whole = json.loads(Path(sys.argv[1]).read_text())
    FILE.write_text(json.dumps(distilled(whole), separators=(",", ":")) + "\n")
