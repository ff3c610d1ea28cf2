"""Answers that call two tools at once, as the three dialects write them on the wire."""

import json

from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, openai_usage, sse

CALLS = (
    ("call_1", "get_weather", {"city": "Zürich"}),
    ("call_2", "get_time", {"zone": "Europe/Zurich", "exact": True}),
)


def openai_chat(model: str) -> bytes:
    calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for id_, name, arguments in CALLS
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}
    body = {
        "id": "chatcmpl-tools",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": openai_usage(),
    }
    return json.dumps(body).encode()


def openai_stream(model: str) -> list[bytes]:
    """The two calls one after the other, with their arguments in fragments of five characters."""

    def event(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        return {
            "id": "chatcmpl-tools",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    events = [event({"role": "assistant", "content": None})]
    for index, (id_, name, arguments) in enumerate(CALLS):
        head = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
        events.append(event({"tool_calls": [head]}))
        text = json.dumps(arguments)
        for at in range(0, len(text), 5):
            piece = {"index": index, "function": {"arguments": text[at : at + 5]}}
            events.append(event({"tool_calls": [piece]}))
    events.append(event({}, "tool_calls"))
    events.append({**event({}), "choices": [], "usage": openai_usage()})
    return [*sse(events), b"data: [DONE]\n\n"]


def anthropic_message(model: str) -> bytes:
    content: list[dict[str, object]] = [
        {"type": "tool_use", "id": id_, "name": name, "input": arguments} for id_, name, arguments in CALLS
    ]
    return json.dumps(_message(model, content, stop="tool_use", output=COMPLETION_TOKENS)).encode()


def anthropic_stream(model: str) -> list[bytes]:
    start = {"type": "message_start", "message": _message(model, [], stop=None, output=1)}
    events: list[dict[str, object]] = [start]
    for index, (id_, name, arguments) in enumerate(CALLS):
        block = {"type": "tool_use", "id": id_, "name": name, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        text = json.dumps(arguments)
        for at in range(0, len(text), 5):
            delta = {"type": "input_json_delta", "partial_json": text[at : at + 5]}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": COMPLETION_TOKENS}})
    events.append({"type": "message_stop"})
    return [
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
        for event in events
    ]


def ollama_chat(model: str) -> bytes:
    return json.dumps(_line(model, calls=True, done=True)).encode()


def ollama_stream(model: str) -> list[bytes]:
    """Whole calls, as Ollama sends them, and then the last line with the counts."""
    lines = [_line(model, calls=True, done=False), _line(model, calls=False, done=True)]
    return [json.dumps(line).encode() + b"\n" for line in lines]


def _message(model: str, content: list[dict[str, object]], *, stop: str | None, output: int) -> object:
    return {
        "id": "msg_tools",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": output},
    }


def _line(model: str, *, calls: bool, done: bool) -> object:
    message: dict[str, object] = {"role": "assistant", "content": ""}
    if calls:
        message["tool_calls"] = [
            {"function": {"name": name, "arguments": arguments}} for _, name, arguments in CALLS
        ]
    line: dict[str, object] = {
        "model": model,
        "created_at": "2025-01-01T00:00:00.000000Z",
        "message": message,
        "done": done,
    }
    if done:
        counts = {"prompt_eval_count": PROMPT_TOKENS, "eval_count": COMPLETION_TOKENS}
        line |= {"done_reason": "stop", **counts}
    return line
