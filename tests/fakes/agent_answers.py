"""A model that does an agent's small task, in each dialect: it reads a file, edits it, and says that it is
done. The prompt names the file after `FILE:`. What the model does next depends on the results that it has."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, named_sse, openai_usage, sse

Json = dict[str, Any]
NAMED = re.compile(r"FILE:([^\s\"\\]+)")
BEFORE, AFTER, DONE = "colour = red", "colour = blue", "The colour is blue now."
SHORT = "Hello from the model."
READ, EDIT = "Read", "Edit"
SIGNATURE = "c2lnbmF0dXJl"
"""With which the scripted Google signs its calls. It refuses a conversation that lost it."""
CACHED, WRITTEN = 30, 20
"""What the scripted Anthropic reads from its cache, and writes to it, beside PROMPT_TOKENS."""


def next_step(fields: Mapping[str, Any]) -> tuple[str, Json] | str:
    """A call of a tool by name with its input, or the text that ends the turn."""
    text = json.dumps(fields)
    named = NAMED.search(text)
    tools = json.dumps(fields.get("tools") or [])
    if named is None or f'"{EDIT}"' not in tools:
        return SHORT
    results = sum(text.count(sign) for sign in ('"tool_result"', '"role": "tool"', '"functionResponse"'))
    path = named[1]
    if results == 0:
        return READ, {"file_path": path}
    if results == 1:
        return EDIT, {"file_path": path, "old_string": BEFORE, "new_string": AFTER}
    return DONE


def anthropic(model: str, step: tuple[str, Json] | str, number: int) -> list[bytes]:
    """The step as Anthropic's stream. The input is mostly cached."""
    usage = {
        "input_tokens": PROMPT_TOKENS,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": WRITTEN,
        "output_tokens": 1,
    }
    start: Json = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    if isinstance(step, str):
        block: Json = {"type": "text", "text": ""}
        deltas: list[Json] = [{"type": "text_delta", "text": word} for word in _pieces(step)]
    else:
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": step[0], "input": {}}
        deltas = [
            {"type": "input_json_delta", "partial_json": piece} for piece in _pieces(json.dumps(step[1]))
        ]
    stop = "end_turn" if isinstance(step, str) else "tool_use"
    events: list[Json] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": COMPLETION_TOKENS},
        },
        {"type": "message_stop"},
    ]
    return named_sse(events)


def openai(model: str, step: tuple[str, Json] | str, number: int) -> list[bytes]:
    """The step as a stream of chat chunks."""

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": model,
            "choices": [choice],
        }

    events = [chunk({"role": "assistant", "content": None})]
    if isinstance(step, str):
        events += [chunk({"content": piece}) for piece in _pieces(step)]
    else:
        function = {"name": step[0], "arguments": ""}
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
        events.append(chunk({"tool_calls": [call]}))
        events += [
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            for piece in _pieces(json.dumps(step[1]))
        ]
    events.append(chunk({}, "stop" if isinstance(step, str) else "tool_calls"))
    events.append({**chunk({}), "choices": [], "usage": openai_usage()})
    return [*sse(events), b"data: [DONE]\n\n"]


def ollama(model: str, step: tuple[str, Json] | str, number: int) -> list[bytes]:
    """The step as lines of Ollama's stream. A tool call comes in one piece, without an id."""
    if isinstance(step, str):
        messages: list[Json] = [{"role": "assistant", "content": piece} for piece in _pieces(step)]
    else:
        call = {"function": {"name": step[0], "arguments": step[1]}}
        messages = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    head: Json = {"model": model, "created_at": "2025-01-01T00:00:00.000000Z"}
    last: Json = {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": PROMPT_TOKENS,
        "eval_count": COMPLETION_TOKENS,
    }
    lines = [*({**head, "message": message, "done": False} for message in messages), {**head, **last}]
    return [json.dumps(line).encode() + b"\n" for line in lines]


def lost_signature(fields: Mapping[str, Any]) -> bool:
    """Whether a call in the conversation has no signature, which Google refuses."""
    turns: Any = fields.get("contents") or ()
    parts = [part for turn in turns for part in turn.get("parts") or () if "functionCall" in part]
    return any(part.get("thoughtSignature") != SIGNATURE for part in parts)


def gemini(model: str, step: tuple[str, Json] | str, number: int) -> list[bytes]:
    """The step as Google's stream. A call is signed, and comes in one piece."""
    if isinstance(step, str):
        parts: list[Json] = [{"text": piece} for piece in _pieces(step)]
    else:
        call = {"name": step[0], "args": step[1]}
        parts = [{"functionCall": call, "thoughtSignature": SIGNATURE}]
    counts = {"promptTokenCount": PROMPT_TOKENS, "candidatesTokenCount": COMPLETION_TOKENS}
    head: Json = {"responseId": f"response-{number}", "modelVersion": model, "usageMetadata": counts}
    candidates: list[Json] = [{"index": 0, "content": {"role": "model", "parts": [part]}} for part in parts]
    candidates[-1]["finishReason"] = "STOP"
    return sse({**head, "candidates": [candidate]} for candidate in candidates)


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]
