"""A model of Anthropic's that thinks, calls a tool, and answers once it has the result. It is as strict as
Anthropic about what it gets back."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.answers import named_sse

Json = dict[str, Any]
THINKING: Json = {"type": "thinking", "thinking": "The weather is wanted.", "signature": "c2lnbmF0dXJl"}
REDACTED: Json = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}
CALL: Json = {"type": "tool_use", "id": "toolu_canned", "name": "weather", "input": {"city": "Rome"}}
ANSWER: Json = {"type": "text", "text": "It is sunny."}
ID = re.compile(r"^[a-zA-Z0-9_-]+$")


def refusal_of(fields: Mapping[str, Any]) -> Json | None:
    """What Anthropic would say against a request. None: nothing."""
    found = next(_faults(fields), None)
    if found is None:
        return None
    return {"type": "error", "error": {"type": "invalid_request_error", "message": found}}


def _faults(fields: Mapping[str, Any]) -> Iterator[str]:
    messages = fields["messages"]
    if not messages or messages[0]["role"] != "user":
        yield "messages: the first message must be the user's"
    blocks = [block for message in messages for block in message["content"]]
    for block in blocks:
        if block["type"] == "text" and not block["text"].strip():
            yield "messages: text content blocks must contain non-whitespace text"
        if block["type"] in ("thinking", "redacted_thinking") and block not in (THINKING, REDACTED):
            yield "messages: Invalid `signature` in `thinking` block"
        if not ID.match(str(block.get("id") or block.get("tool_use_id") or "x")):
            yield "messages: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if any(block["type"] in ("tool_use", "tool_result") for block in blocks) and not fields.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools."
    answers = [message for message in messages if message["role"] == "assistant"]
    goes_on = any(block["type"] == "tool_result" for block in messages[-1]["content"])
    thinks = (fields.get("thinking") or {}).get("type") == "enabled"
    if thinks and goes_on and answers[-1]["content"][0]["type"] not in ("thinking", "redacted_thinking"):
        yield "messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`."


def content_of(fields: Mapping[str, Any]) -> list[Json]:
    """What the model says: a call, or the answer to its result."""
    has_result = any(block["type"] == "tool_result" for block in fields["messages"][-1]["content"])
    thinking = [THINKING, REDACTED] if fields.get("thinking") else []
    return [*thinking, ANSWER if has_result else CALL]


def message(model: str, content: Sequence[Json]) -> bytes:
    """The whole answer."""
    return json.dumps(_message(model, content)).encode()


def _message(model: str, content: Sequence[Json]) -> Json:
    return {
        "id": "msg_thinks",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": "tool_use" if CALL in content else "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 30},
    }


def stream(model: str, content: Sequence[Json]) -> list[bytes]:
    """The same as a stream, in pieces."""
    whole = _message(model, content)
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}
    ]
    for at, block in enumerate(content):
        start, deltas = _pieces(block)
        events.append({"type": "content_block_start", "index": at, "content_block": start})
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    delta = {"stop_reason": whole["stop_reason"]}
    events += [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 30}},
        {"type": "message_stop"},
    ]
    return named_sse(events)


def _pieces(block: Json) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "thinking":
            words = block["thinking"]
            return block | {"thinking": "", "signature": ""}, [
                {"type": "thinking_delta", "thinking": words[:5]},
                {"type": "thinking_delta", "thinking": words[5:]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use":
            pieces = json.dumps(block["input"])
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": pieces}]
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case _:
            return block, []
