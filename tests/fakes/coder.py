"""A model that edits a file, in four dialects: it reads the file, patches it, and says that it is done. What
the client's tools gave back decides where it stands."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.answers import sse

Json = dict[str, Any]
FILE = "notes.txt"
BEFORE, AFTER = "the load is carried by nobody\n", "the load is carried by Switchgear\n"
PATCH = f"""*** Begin Patch
*** Update File: {FILE}
@@
-{BEFORE.strip()}
+{AFTER.strip()}
*** End Patch
"""
STEPS = (f"cat {FILE}", f"apply_patch <<'PATCH'\n{PATCH}PATCH\n")
DONE = "The notes are right now."
TOOL = "exec_command"
USAGE = (100, 20)


def steps_done(fields: Mapping[str, Any]) -> int:
    """How many results of tools stand in a request of any dialect."""
    return sum(_results(fields.get("messages") or fields.get("input") or []))


def _results(messages: object) -> Iterator[int]:
    for message in messages if isinstance(messages, list) else ():
        yield int(message.get("role") == "tool" or message.get("type") == "function_call_output")
        content = message.get("content")
        yield from (
            int(isinstance(part, dict) and part.get("type") == "tool_result")
            for part in (content if isinstance(content, list) else ())
        )


def saw_the_file(body: bytes) -> bool:
    """Whether the file's text came back from the client's tool."""
    return json.dumps(BEFORE.strip())[1:-1].encode() in body


def chat(fields: Mapping[str, Any]) -> list[bytes]:
    """A stream of chat completions."""
    step = steps_done(fields)

    def event(delta: Json, finish: str | None = None, **more: Any) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": f"chatcmpl-{step}", "object": "chat.completion.chunk", "choices": [choice], **more}

    usage = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}
    last = {**event({}), "choices": [], "usage": usage}
    if step >= len(STEPS):
        events = [event({"role": "assistant", "content": DONE}), event({}, "stop"), last]
    else:
        function = {"name": TOOL, "arguments": json.dumps({"cmd": STEPS[step]})}
        call = {"index": 0, "id": f"call_{step}", "type": "function", "function": function}
        events = [event({"role": "assistant", "tool_calls": [call]}), event({}, "tool_calls"), last]
    return [*sse(events), b"data: [DONE]\n\n"]


def messages(fields: Mapping[str, Any]) -> list[bytes]:
    """A stream of Anthropic's Messages, block by block."""
    step = steps_done(fields)
    start: Json = {
        "id": f"msg_{step}",
        "type": "message",
        "role": "assistant",
        "model": "coder",
        "content": [],
    }
    start["usage"] = {"input_tokens": USAGE[0], "output_tokens": 1}
    events: list[Json] = [{"type": "message_start", "message": start}]
    if step >= len(STEPS):
        block: Json = {"type": "text", "text": ""}
        deltas: list[Json] = [{"type": "text_delta", "text": DONE}]
    else:
        block = {"type": "tool_use", "id": f"toolu_{step}", "name": TOOL, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps({"cmd": STEPS[step]})}]
    events.append({"type": "content_block_start", "index": 0, "content_block": block})
    events += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    reason = "end_turn" if step >= len(STEPS) else "tool_use"
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": USAGE[1]}},
        {"type": "message_stop"},
    ]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events]


def ollama(fields: Mapping[str, Any]) -> list[bytes]:
    """Ollama's lines."""
    step = steps_done(fields)
    message: Json = {"role": "assistant", "content": DONE if step >= len(STEPS) else ""}
    if step < len(STEPS):
        message["tool_calls"] = [{"function": {"name": TOOL, "arguments": {"cmd": STEPS[step]}}}]
    told: Json = {"model": "coder", "created_at": "2025-01-01T00:00:00Z", "message": message, "done": False}
    last: Json = {
        **told,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
    }
    last |= {"prompt_eval_count": USAGE[0], "eval_count": USAGE[1]}
    return [json.dumps(line).encode() + b"\n" for line in (told, last)]


def responses(fields: Mapping[str, Any]) -> list[bytes]:
    """A stream of Responses."""
    step = steps_done(fields)
    response: Json = {"id": f"resp_{step}", "object": "response", "created_at": 1, "model": "coder"}
    if step >= len(STEPS):
        part = {"type": "output_text", "text": DONE, "annotations": [], "logprobs": []}
        item: Json = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
    else:
        arguments = json.dumps({"cmd": STEPS[step]})
        item = {"type": "function_call", "id": f"fc_{step}", "call_id": f"call_{step}", "name": TOOL}
        item |= {"arguments": arguments}
    item["status"] = "completed"
    usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1], "total_tokens": sum(USAGE)}
    usage_details = {
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    done = {**response, "status": "completed", "output": [item], "usage": {**usage, **usage_details}}
    events: list[Json] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in numbered]
