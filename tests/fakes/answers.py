"""Well-behaved provider answers, as the three dialects write them on the wire."""

import json
from collections.abc import Iterable, Mapping

TEXT = ("Switch", "gear", " carries", " the", " load", ".")
PROMPT_TOKENS = 12
COMPLETION_TOKENS = 6


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sse(events: Iterable[object]) -> list[bytes]:
    """Each event as a `data:` event of SSE."""
    return [b"data: " + _json(event) + b"\n\n" for event in events]


def named_sse(events: Iterable[Mapping[str, object]]) -> list[bytes]:
    """Each event under its type as its name, as Anthropic has them."""
    return [b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), _json(event)) for event in events]


def openai_usage(prompt: int = PROMPT_TOKENS, completion: int = COMPLETION_TOKENS) -> dict[str, object]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def openai_chat(model: str = "gpt-4", usage: dict[str, object] | None = None) -> bytes:
    """A whole chat completion. `usage` replaces the right usage, and `{}` leaves it out."""
    body: dict[str, object] = {
        "id": "chatcmpl-canned",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(TEXT), "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "system_fingerprint": "fp_canned",
    }
    if usage != {}:
        body["usage"] = usage or openai_usage()
    return _json(body)


def openai_stream(model: str = "gpt-4", *, usage: bool = True, done: bool = True) -> list[bytes]:
    """The events of a chat stream: role, text, finish, then usage and `[DONE]` where asked for."""

    def event(choices: list[object], **more: object) -> dict[str, object]:
        return {
            "id": "chatcmpl-canned",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": model,
            "choices": choices,
            **more,
        }

    def delta(content: dict[str, object], finish: str | None = None) -> dict[str, object]:
        return event([{"index": 0, "delta": content, "finish_reason": finish}])

    events = [delta({"role": "assistant", "content": ""})]
    events += [delta({"content": piece}) for piece in TEXT]
    events.append(delta({}, "stop"))
    if usage:
        events.append(event([], usage=openai_usage()))
    return sse(events) + ([b"data: [DONE]\n\n"] if done else [])


def openai_embeddings(model: str = "text-embedding-3-small") -> bytes:
    return _json(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}],
            "model": model,
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        }
    )


def anthropic_message(model: str = "claude-3-sonnet") -> bytes:
    return _json(
        {
            "id": "msg_canned",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": "".join(TEXT)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": PROMPT_TOKENS,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": COMPLETION_TOKENS,
            },
        }
    )


def anthropic_stream(model: str = "claude-3-sonnet") -> list[bytes]:
    """The Messages API's named events, from `message_start` to `message_stop`."""
    start: dict[str, object] = {
        "id": "msg_canned",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": 1},
    }
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    for piece in TEXT:
        text = {"type": "text_delta", "text": piece}
        events.append({"type": "content_block_delta", "index": 0, "delta": text})
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": COMPLETION_TOKENS},
        },
        {"type": "message_stop"},
    ]
    return named_sse(events)


def _ollama(model: str, content: str, *, done: bool) -> dict[str, object]:
    line: dict[str, object] = {
        "model": model,
        "created_at": "2025-01-01T00:00:00.000000Z",
        "message": {"role": "assistant", "content": content},
        "done": done,
    }
    if done:
        line |= {
            "done_reason": "stop",
            "total_duration": 1_000_000,
            "load_duration": 1_000,
            "prompt_eval_count": PROMPT_TOKENS,
            "prompt_eval_duration": 1_000,
            "eval_count": COMPLETION_TOKENS,
            "eval_duration": 1_000,
        }
    return line


def ollama_chat(model: str = "mistral") -> bytes:
    return _json(_ollama(model, "".join(TEXT), done=True))


def ollama_stream(model: str = "mistral") -> list[bytes]:
    """Lines of NDJSON. The last has `done: true` and the counts."""
    lines = [_ollama(model, piece, done=False) for piece in TEXT] + [_ollama(model, "", done=True)]
    return [_json(line) + b"\n" for line in lines]


def ollama_embed(model: str = "mistral") -> bytes:
    return _json({"model": model, "embeddings": [[0.25, -0.5, 0.125]], "prompt_eval_count": 3})
