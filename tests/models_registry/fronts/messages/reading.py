"""Anthropic's events read in the plainest way: what a client has when a stream is over."""

import json
from typing import Any

Json = dict[str, Any]
CUT = "arguments"
"""The name under which a whole answer has the text of a call whose input was cut."""


def events_in(sent: bytes) -> list[Json]:
    """The events of a stream. Each one's name is its type."""
    found = []
    for each in sent.decode().split("\n\n"):
        if not each or each.startswith(":"):
            continue
        name, data = each.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def message_of(sent: bytes) -> Json:
    """The message that a whole stream is. Fails where the events are in a wrong order."""
    events = [event for event in events_in(sent) if event["type"] != "ping"]
    first, *middle, delta, last = events
    assert (first["type"], delta["type"], last["type"]) == ("message_start", "message_delta", "message_stop")
    message: Json = first["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    current: Json | None = None
    for event in middle:
        assert event["index"] == len(message["content"]) - (0 if event["type"].endswith("start") else 1)
        match event["type"]:
            case "content_block_start":
                assert current is None, "a block began before the last one was over"
                current = event["content_block"]
                current["json"] = []
                message["content"].append(current)
            case "content_block_delta":
                assert current is not None
                _extend(current, event["delta"])
            case "content_block_stop":
                assert current is not None
                _finish(current)
                current = None
            case kind:
                raise AssertionError(kind)
    assert current is None
    message.update(delta["delta"])
    message["usage"] |= delta["usage"]
    return message


def _extend(block: Json, delta: Json) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case "input_json_delta":
            block["json"].append(delta["partial_json"])
        case kind:
            raise AssertionError(kind)


def _finish(block: Json) -> None:
    pieces = block.pop("json")
    if block["type"] == "tool_use":
        assert block["input"] == {}
        block["input"] = input_in("".join(pieces))


def input_in(text: str) -> Json:
    """The input of a call. One that was cut stands as text in an object, as in a whole answer."""
    try:
        found: Json = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {CUT: text}
    return found
