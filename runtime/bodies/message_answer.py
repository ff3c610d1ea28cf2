"""Puts the events of one of Anthropic's streams together into one message. Pure."""

from collections.abc import Iterable

from runtime.bodies.redaction import UnreadableBody, value_of

PIECES = ("text", "thinking", "signature")
"""The fields of a delta whose text goes on with that of the block."""
JsonObject = dict[str, object]


def message_answer(events: Iterable[JsonObject]) -> JsonObject | None:
    """The message of a stream's events. None: it never began. Events of another shape are left out."""
    message: JsonObject | None = None
    blocks: dict[int, JsonObject] = {}
    inputs: dict[int, str] = {}
    for event in events:
        found = event.get("message")
        if event.get("type") == "message_start" and isinstance(found, dict):
            message = dict(found)
        elif message is not None:
            _add(message, blocks, inputs, event)
    if message is None:
        return None
    for index, text in inputs.items():
        blocks[index]["input"] = _input(text)
    message["content"] = [blocks[index] for index in sorted(blocks)]
    return message


def _add(
    message: JsonObject, blocks: dict[int, JsonObject], inputs: dict[int, str], event: JsonObject
) -> None:
    index, delta = event.get("index"), event.get("delta")
    block = event.get("content_block")
    if isinstance(block, dict) and isinstance(index, int):
        blocks[index] = dict(block)
    elif event.get("type") == "message_delta":
        _merge(message, delta)
        usage = message.get("usage")
        message["usage"] = dict(usage) if isinstance(usage, dict) else {}
        _merge(message["usage"], event.get("usage"))
    elif isinstance(delta, dict) and isinstance(index, int) and index in blocks:
        _extend(blocks[index], delta)
        piece = delta.get("partial_json")
        if isinstance(piece, str):
            inputs[index] = inputs.get(index, "") + piece


def _extend(block: JsonObject, delta: JsonObject) -> None:
    for name in PIECES:
        piece, before = delta.get(name), block.get(name)
        if isinstance(piece, str):
            block[name] = (before if isinstance(before, str) else "") + piece
    if "citation" in delta:
        known = block.get("citations")
        block["citations"] = [*(known if isinstance(known, list) else ()), delta["citation"]]


def _merge(into: object, fields: object) -> None:
    if isinstance(into, dict) and isinstance(fields, dict):
        into.update({name: value for name, value in fields.items() if value is not None})


def _input(text: str) -> object:
    """The input of a tool call, as text where it was cut."""
    try:
        return value_of(text.encode("utf-8", "replace")) if text.strip() else {}
    except UnreadableBody:
        return text
