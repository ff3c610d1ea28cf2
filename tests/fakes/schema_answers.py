"""A model that does what a request asks for. It calls the tool that it is told to call, and fills every
schema from the words of the last message."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Step = tuple[str, Json] | str
SENTENCE = "The keystone carries the load."
NUMBER = re.compile(r"-?\d+")
QUOTED = re.compile(r"'([^']+)'")
NAMED = re.compile(r"[`'\"](\w+)[`'\"]")
RESULTS = ("tool_result", "function_call_output")
DEEPEST = 20


def next_step(fields: Mapping[str, Any]) -> Step:
    """A call of a tool by name with its input, or the text of the answer."""
    turns = fields.get("messages") or fields.get("input") or ()
    turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    text = last_words(turns)
    tools = {name: schema for name, schema in map(_tool, fields.get("tools") or ()) if name}
    name = _chosen(fields.get("tool_choice"), list(tools))
    if name is not None and not _has_result(turns):
        return name, filled(tools[name], text)
    schema = _answer_schema(fields)
    if schema is not None:
        return json.dumps(filled(schema, text))
    if _wants_json(fields):
        return json.dumps(_named(text))
    return SENTENCE


def filled(schema: Mapping[str, Any], text: str) -> Any:
    """A value that fits a JSON schema: numbers and quoted names from the text, or all of the text."""
    return _fill(schema, text, schema, DEEPEST)


def last_words(turns: Sequence[Any]) -> str:
    """The text of the last turn that has some."""
    return next((words for words in map(_words, reversed(turns)) if words), "")


def _fill(schema: Mapping[str, Any], text: str, root: Mapping[str, Any], depth: int) -> Any:
    if "$ref" in schema and depth:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _fill(target, text, root, depth - 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    one_of = schema.get("anyOf") or schema.get("oneOf")
    if one_of:
        return _fill(next(each for each in one_of if each.get("type") != "null"), text, root, depth)
    kind = schema.get("type", "object")
    kind = next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object" and not schema.get("properties"):
        return _named(text) if schema.get("additionalProperties", True) else {}
    if kind == "object":
        return {name: _fill(each, text, root, depth) for name, each in schema["properties"].items()}
    if kind == "array":
        return [_fill(schema.get("items") or {"type": "string"}, text, root, depth)]
    if kind in ("integer", "number"):
        found = NUMBER.search(text)
        return int(found[0]) if found else 1
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    quoted = QUOTED.search(text)
    return quoted[1] if quoted else text


def _named(text: str) -> Json:
    """An object with the names that are quoted in a text."""
    return dict.fromkeys(NAMED.findall(text), SENTENCE)


def _tool(tool: Json) -> tuple[str, Json]:
    inner = tool.get("function") or tool
    return str(inner.get("name", "")), inner.get("parameters") or inner.get("input_schema") or {}


def _chosen(choice: Any, names: list[str]) -> str | None:
    """The tool to call. None: none."""
    if not names or choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none"):
        return None
    if isinstance(choice, dict):
        named = (choice.get("function") or choice).get("name")
        if named is not None:
            return str(named)
    return names[0]


def _has_result(turns: Sequence[Any]) -> bool:
    last = turns[-1] if turns else {}
    if last.get("role") == "tool" or last.get("type") in RESULTS:
        return True
    content = last.get("content")
    return isinstance(content, list) and any(part.get("type") in RESULTS for part in content)


def _words(turn: Json) -> str:
    content = turn.get("content")
    return content if isinstance(content, str) else " ".join(_texts(content or ()))


def _texts(parts: Sequence[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def _asked_format(fields: Mapping[str, Any]) -> Any:
    told = fields.get("response_format") or (fields.get("text") or {}).get("format")
    told = told or fields.get("format") or fields.get("output_format")
    return told or (fields.get("output_config") or {}).get("format")


def _answer_schema(fields: Mapping[str, Any]) -> Json | None:
    told = _asked_format(fields)
    if not isinstance(told, dict) or told.get("type") in ("text", "json_object"):
        return None
    found = (told.get("json_schema") or {}).get("schema") or told.get("schema") or told
    return found if isinstance(found, dict) else None


def _wants_json(fields: Mapping[str, Any]) -> bool:
    told = _asked_format(fields)
    return told == "json" or (isinstance(told, dict) and told.get("type") == "json_object")
