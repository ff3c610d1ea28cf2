"""A model for other people's clients, in each dialect, plain and streamed.

It calls a tool whose name has `weather` in it until it has the tool's result. It gives JSON where a schema is
asked for, also where the schema stands in a tool that it must call. Otherwise it says a sentence.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.fakes import agent_answers
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, named_sse, openai_usage

Json = dict[str, Any]
Step = tuple[str, Json] | str
SENTENCE = "The keystone carries the load."
FACTS: Json = {"city": "Rome", "population": 2_800_000}
ASKED: Json = {"city": "Rome"}
ANSWER = "It is sunny in Rome."
RESULTS = ('"tool_result"', '"role": "tool"', '"function_call_output"')


def next_step(fields: Mapping[str, Any]) -> Step:
    """A call of a tool by name with its input, or the text of the answer."""
    tools = [_name(tool) for tool in fields.get("tools") or ()]
    weather = next((name for name in tools if "weather" in name.lower()), None)
    text = json.dumps([fields.get("messages"), fields.get("input")])
    if weather is not None:
        return ANSWER if any(sign in text for sign in RESULTS) else (weather, ASKED)
    if _schema(fields):
        return json.dumps(FACTS)
    if tools and "tool_choice" in fields:
        return tools[-1], FACTS
    return SENTENCE


def _name(tool: Json) -> str:
    return str((tool.get("function") or tool).get("name", ""))


def _schema(fields: Mapping[str, Any]) -> bool:
    told = fields.get("response_format") or (fields.get("text") or {}).get("format")
    told = told or fields.get("format") or fields.get("output_format")
    told = told or (fields.get("output_config") or {}).get("format")
    return bool(told) and not (isinstance(told, dict) and told.get("type") == "text")


def chat(model: str, step: Step) -> bytes:
    """A whole answer in OpenAI's dialect."""
    message: Json = {"role": "assistant", "content": step if isinstance(step, str) else None}
    if not isinstance(step, str):
        function = {"name": step[0], "arguments": json.dumps(step[1])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    reason = "stop" if isinstance(step, str) else "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model}
    return json.dumps({**head, "choices": [choice], "usage": openai_usage()}).encode()


def messages(model: str, step: Step) -> bytes:
    """A whole answer of Anthropic's."""
    block: Json = {"type": "text", "text": step}
    if not isinstance(step, str):
        block = {"type": "tool_use", "id": "toolu_1", "name": step[0], "input": step[1]}
    told: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [block]}
    told |= {"stop_reason": "end_turn" if isinstance(step, str) else "tool_use", "stop_sequence": None}
    told["usage"] = {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS}
    return json.dumps(told).encode()


def ollama(model: str, step: Step) -> bytes:
    """A whole answer of Ollama's."""
    message: Json = {"role": "assistant", "content": step if isinstance(step, str) else ""}
    if not isinstance(step, str):
        message["tool_calls"] = [{"function": {"name": step[0], "arguments": step[1]}}]
    told: Json = {"model": model, "created_at": "2025-01-01T00:00:00Z", "message": message, "done": True}
    told |= {"done_reason": "stop", "prompt_eval_count": PROMPT_TOKENS, "eval_count": COMPLETION_TOKENS}
    return json.dumps(told).encode()


def _item(step: Step) -> Json:
    if isinstance(step, str):
        part = {"type": "output_text", "text": step, "annotations": [], "logprobs": []}
        message: Json = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        return message | {"content": [part]}
    call: Json = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
    return call | {"name": step[0], "arguments": json.dumps(step[1])}


def _response(model: str, step: Step, text: object) -> Json:
    usage = {
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": COMPLETION_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [_item(step)],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "store": False,
        "text": text or {"format": {"type": "text"}},
        "usage": usage,
    }


def response(model: str, step: Step, text: object = None) -> bytes:
    """A whole answer in Responses."""
    return json.dumps(_response(model, step, text)).encode()


def response_stream(model: str, step: Step, text: object = None) -> list[bytes]:
    """The same as a stream."""
    done, item = _response(model, step, text), _item(step)
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    place: Json = {"output_index": 0, "item_id": item["id"]}
    if isinstance(step, str):
        opened, part = {**item, "status": "in_progress", "content": []}, item["content"][0]
        place["content_index"] = 0
        inner: list[Json] = [
            {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
            {"type": "response.output_text.delta", **place, "delta": step, "logprobs": []},
            {"type": "response.output_text.done", **place, "text": step, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
        ]
    else:
        opened, arguments = {**item, "status": "in_progress", "arguments": ""}, item["arguments"]
        inner = [
            {"type": "response.function_call_arguments.delta", **place, "delta": arguments},
            {
                "type": "response.function_call_arguments.done",
                **place,
                "arguments": arguments,
                "name": step[0],
            },
        ]
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": opened},
        *inner,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    return named_sse({**event, "sequence_number": number} for number, event in enumerate(events))


def answer(
    path: str, model: str, fields: Mapping[str, Any], step: Step, *, streamed: bool
) -> tuple[str, list[bytes]]:
    """The content type, and the pieces of the answer: one piece where it is plain."""
    kind = "sse"
    whole: Callable[[str, Step], bytes] = chat
    if path.endswith("/messages"):
        whole, stream = messages, agent_answers.anthropic(model, step, 1)
    elif path.endswith("/api/chat"):
        kind, whole, stream = "ndjson", ollama, agent_answers.ollama(model, step, 1)
    elif path.endswith("/responses"):
        text = fields.get("text")
        whole, stream = partial(response, text=text), response_stream(model, step, text)
    else:
        stream = agent_answers.openai(model, step, 1)
    return (kind, stream) if streamed else ("json", [whole(model, step)])
