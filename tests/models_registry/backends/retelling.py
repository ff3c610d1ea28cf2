"""One answer in its other form: a whole answer as a stream of its dialect, or a stream as a whole answer."""

import json
from typing import Any  # recorded JSON, without types

from models_registry.backends.bedrock.frames import FrameCutter, StreamMessage
from models_registry.dialects import Dialect
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
        case Dialect.COHERE:
            return b"".join(sse(_cohere_events(answer)))
        case Dialect.RESPONSES:
            return b"".join(sse(_responses_events(answer)))


def as_plain(dialect: Dialect, body: bytes) -> bytes:
    """The whole answer that the provider would have sent for a stream. Thinking and tool calls are left
    out."""
    if dialect is Dialect.OLLAMA:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        text = "".join(line["message"].get("content") or "" for line in lines)
        return json.dumps(lines[-1] | {"message": {"role": "assistant", "content": text}}).encode()
    if dialect is Dialect.BEDROCK:
        return json.dumps(_bedrock_answer(list(FrameCutter().feed(body)))).encode()
    if dialect is Dialect.COHERE:
        return json.dumps(_cohere_answer([each for each in events_of(body) if each != "[DONE]"])).encode()
    if dialect is Dialect.RESPONSES:
        last = [each for each in events_of(body) if each != "[DONE]"][-1]
        return json.dumps(last.get("response") or last).encode()
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


def _cohere_answer(events: list[Json]) -> Json:
    messages = [event.get("delta", {}).get("message", {}) for event in events]
    contents = [each["content"] for each in messages if isinstance(each.get("content"), dict)]
    text = "".join(content.get("text", "") for content in contents)
    said = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    end = events[-1]["delta"]
    return {"id": events[0]["id"], "message": said, **end, "finish_reason": "COMPLETE"}


def _cohere_events(answer: Json) -> list[Json]:
    said: list[Json] = []
    for at, part in enumerate(answer["message"].get("content") or ()):
        said.append({"type": "content-start", "index": at, "delta": {"message": {"content": part}}})
        said.append({"type": "content-end", "index": at})
    for at, call in enumerate(answer["message"].get("tool_calls") or ()):
        said.append({"type": "tool-call-start", "index": at, "delta": {"message": {"tool_calls": call}}})
        said.append({"type": "tool-call-end", "index": at})
    end = {"finish_reason": answer["finish_reason"], "usage": answer.get("usage")}
    start = {"type": "message-start", "id": answer["id"], "delta": {"message": {"content": []}}}
    return [start, *said, {"type": "message-end", "delta": end}]


def _responses_events(answer: Json) -> list[Json]:
    said: list[Json] = []
    for at, item in enumerate(answer["output"]):
        place = {"output_index": at}
        said.append({"type": "response.output_item.added", **place, "item": item | {"arguments": ""}})
        for number, part in enumerate(item.get("content") or ()):
            inside = place | {"content_index": number}
            said.append({"type": "response.content_part.added", **inside, "part": part})
            kind = {"refusal": "refusal", "reasoning_text": "reasoning_text"}.get(part["type"], "output_text")
            delta = part.get("text", part.get("refusal"))
            said.append({"type": f"response.{kind}.delta", **inside, "delta": delta})
            for each in part.get("annotations") or ():
                told = {"type": "response.output_text.annotation.added", **inside, "annotation": each}
                said.append(told)
        for number, part in enumerate(item.get("summary") or ()):
            inside = place | {"summary_index": number, "delta": part["text"]}
            said.append({"type": "response.reasoning_summary_text.delta", **inside})
        said.append({"type": "response.output_item.done", **place, "item": item})
    begun = answer | {"output": [], "status": "in_progress", "usage": None}
    end = {"type": f"response.{answer.get('status') or 'completed'}", "response": answer}
    return [{"type": "response.created", "response": begun}, *said, end]


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
