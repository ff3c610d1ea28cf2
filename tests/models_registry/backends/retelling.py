"""One answer in its other form: a whole answer as a stream of its dialect, or a stream as a whole answer."""

import json
from typing import Any  # recorded JSON, without types

from models_registry.backends.bedrock.frames import FrameCutter, StreamMessage
from models_registry.target import Dialect
from tests.fakes.answers import sse
from tests.fakes.event_stream import bedrock_frames
from tests.models_registry.backends.making import events_of

Json = dict[str, Any]


def as_stream(dialect: Dialect, body: bytes) -> bytes:
    """The stream that the provider would have sent for a whole answer."""
    answer = json.loads(body)
    match dialect:
        case Dialect.OPENAI:
            return b"".join(sse(_openai_events(answer))) + b"data: [DONE]\n\n"
        case Dialect.ANTHROPIC:
            return b"".join(sse(_anthropic_events(answer)))
        case Dialect.OLLAMA:
            piece = {"model": answer["model"], "message": answer["message"], "done": False}
            last = {**answer, "message": {"role": "assistant", "content": ""}}
            return b"".join(json.dumps(line).encode() + b"\n" for line in (piece, last))
        case Dialect.BEDROCK:
            return b"".join(bedrock_frames(_bedrock_events(answer)))
        case Dialect.GEMINI:
            return b"data: " + json.dumps(answer).encode() + b"\r\n\r\n"


def as_plain(dialect: Dialect, body: bytes) -> bytes:
    """The whole answer that the provider would have sent for a stream. Thinking and tool calls are left
    out."""
    if dialect is Dialect.OLLAMA:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        text = "".join(line["message"].get("content") or "" for line in lines)
        return json.dumps(lines[-1] | {"message": {"role": "assistant", "content": text}}).encode()
    if dialect is Dialect.BEDROCK:
        return json.dumps(_bedrock_answer(FrameCutter().feed(body))).encode()
    if dialect is Dialect.GEMINI:
        return json.dumps(_google_answer(events_of(body))).encode()
    events = [event for event in events_of(body) if event != "[DONE]"]
    whole = _anthropic_answer(events) if dialect is Dialect.ANTHROPIC else _openai_answer(events)
    return json.dumps(whole).encode()


def _openai_events(answer: Json) -> list[Json]:
    head = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    told = [
        {"index": choice.get("index", 0), "delta": choice["message"], "finish_reason": None}
        for choice in answer["choices"]
    ]
    ends = [
        {"index": choice.get("index", 0), "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"}
        for choice in answer["choices"]
    ]
    last = {**head, "choices": [], "usage": answer.get("usage")}
    return [{**head, "choices": told}, {**head, "choices": ends}, last]


def _openai_answer(events: list[Json]) -> Json:
    texts: dict[int, str] = {}
    for event in events:
        for choice in event.get("choices") or ():
            at, content = choice.get("index", 0), (choice.get("delta") or {}).get("content")
            texts[at] = texts.get(at, "") + (content if isinstance(content, str) else "")
    answer = {
        "choices": [
            {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for at, text in texts.items()
        ]
    }
    for name in ("usage", "service_tier"):
        said = [event[name] for event in events if event.get(name)]
        answer |= {name: said[-1]} if said else {}
    return answer


def _anthropic_events(answer: Json) -> list[Json]:
    early = {**answer["usage"], "output_tokens": 1}
    start = {**answer, "content": [], "stop_reason": None, "usage": early}
    blocks = [
        event
        for at, block in enumerate(answer["content"])
        for event in (
            {"type": "content_block_start", "index": at, "content_block": block},
            {"type": "content_block_stop", "index": at},
        )
    ]
    closing = {"output_tokens": answer["usage"]["output_tokens"]}
    for name in ("output_tokens_details", "server_tool_use"):
        closing |= {name: answer["usage"][name]} if answer["usage"].get(name) else {}
    return [
        {"type": "message_start", "message": start},
        *blocks,
        {"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"]}, "usage": closing},
        {"type": "message_stop"},
    ]


def _anthropic_answer(events: list[Json]) -> Json:
    message = next(event["message"] for event in events if event["type"] == "message_start")
    usage = dict(message["usage"])
    for event in events:
        if event["type"] == "message_delta":
            usage |= {name: value for name, value in event["usage"].items() if value is not None}
    text = "".join(event["delta"].get("text") or "" for event in events if "delta" in event)
    return {
        **message,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": usage,
    }


def _google_answer(events: list[Json]) -> Json:
    texts = [
        part.get("text", "")
        for event in events
        for candidate in event.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
        if not part.get("thought")
    ]
    content = {"role": "model", "parts": [{"text": "".join(texts)}]}
    return {**events[-1], "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]}


def _bedrock_events(answer: Json) -> list[tuple[str, Json]]:
    blocks: list[tuple[str, Json]] = []
    for at, block in enumerate(answer["output"]["message"]["content"]):
        if "toolUse" in block:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            blocks.append(("contentBlockStart", {"contentBlockIndex": at, "start": start}))
            delta: Json = {"toolUse": {"input": json.dumps(use["input"])}}
        elif "text" in block:
            delta = {"text": block["text"]}
        elif "reasoningContent" in block:
            told = block["reasoningContent"]
            delta = {"reasoningContent": told.get("reasoningText", told)}
        elif "citationsContent" in block:
            delta = {"text": "".join(each["text"] for each in block["citationsContent"].get("content", ()))}
        else:
            continue  # what one of the provider's own tools gave
        blocks.append(("contentBlockDelta", {"contentBlockIndex": at, "delta": delta}))
        blocks.append(("contentBlockStop", {"contentBlockIndex": at}))
    return [
        ("messageStart", {"role": "assistant"}),
        *blocks,
        ("messageStop", {"stopReason": answer["stopReason"]}),
        ("metadata", {"usage": answer["usage"], "metrics": answer["metrics"]}),
    ]


def _bedrock_answer(messages: list[StreamMessage]) -> Json:
    told = [(each.event_type, json.loads(each.payload)) for each in messages]
    texts = [event["delta"].get("text", "") for name, event in told if name == "contentBlockDelta"]
    usage = next(event["usage"] for name, event in told if name == "metadata")
    message = {"role": "assistant", "content": [{"text": "".join(texts)}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {}}
