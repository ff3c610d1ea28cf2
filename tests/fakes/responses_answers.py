"""Answers of a server that has Responses itself, as OpenAI writes them."""

import json
from collections.abc import Iterable
from typing import Any

TEXT = "Switchgear carries the load."
ID = "resp_canned"
USAGE: dict[str, Any] = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 6,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


def response(**changed: Any) -> dict[str, Any]:
    """The whole answer."""
    part = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
    message = {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    return {
        "id": ID,
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-4-0613",
        "output": [message],
        "store": False,
        "usage": USAGE,
        "service_tier": "default",
        "an_unknown_field": 1.50,
    } | changed


def body(**changed: Any) -> bytes:
    return json.dumps(response(**changed)).encode()


def events(last: str = "response.completed", **changed: Any) -> list[dict[str, Any]]:
    """The events of a stream. `changed` changes the response of the last one."""
    begun = response(status="in_progress", output=[], usage=None)
    (message,) = response()["output"]
    (part,) = message["content"]
    opened = {**message, "status": "in_progress", "content": []}
    place = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    deltas = [
        {"type": "response.output_text.delta", **place, "delta": TEXT[at : at + 5], "logprobs": []}
        for at in range(0, len(TEXT), 5)
    ]
    found: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": opened},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *deltas,
        {"type": "response.output_text.done", **place, "text": TEXT, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": last, "response": response(**changed)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


def sse(told: Iterable[dict[str, Any]]) -> list[bytes]:
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in told]
