"""Targets, facts and requests for the tests of the backends."""

import json
from collections.abc import Mapping
from typing import Any  # JSON as a client reads it, without types

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingsRequest
from schema.secret import Secret
from schema.wire import decode_body

KEY = "sk-provider-key-0123456789"
FACTS = CallFacts(request_id="0190a000-0000-7000-8000-000000000001", created=1_700_000_000)
USER = {"role": "user", "content": "Hello"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

_CHAT = msgspec.json.Decoder(ChatRequest)
_EMBEDDINGS = msgspec.json.Decoder(EmbeddingsRequest)


def target(
    dialect: Dialect,
    *,
    params: Mapping[str, object] | None = None,
    drop_params: bool = False,
    max_output_tokens: int | None = None,
) -> Target:
    return Target(
        model_id="deployment-1",
        public_name="public",
        provider=dialect.value,
        dialect=dialect,
        model="native",
        api_base="http://upstream.test",
        api_key=Secret(KEY),
        params={name: msgspec.Raw(json.dumps(value).encode()) for name, value in (params or {}).items()},
        drop_params=drop_params,
        max_output_tokens=max_output_tokens,
    )


def chat(**fields: object) -> ChatRequest:
    """A request as it comes over the wire: `raw` has its fields."""
    return decode_body(_CHAT, json.dumps({"model": "public", "messages": [USER]} | fields).encode())


def embeddings(**fields: object) -> EmbeddingsRequest:
    return decode_body(_EMBEDDINGS, json.dumps({"model": "public", "input": "Hello"} | fields).encode())


def body_of(request: UpstreamRequest) -> dict[str, Any]:
    value = json.loads(request.body)
    assert isinstance(value, dict)
    return value


def events_of(sse: bytes) -> list[Any]:
    """The data of a client's SSE, read in the plainest way; `[DONE]` as text."""
    found: list[Any] = []
    for event in sse.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in event.splitlines() if line.startswith("data:")]
        if lines:
            data = "\n".join(lines)
            found.append(data if data == "[DONE]" else json.loads(data))
    return found


def chunks(sse: bytes) -> list[dict[str, Any]]:
    return [event for event in events_of(sse) if event != "[DONE]"]


def deltas(sse: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks(sse) for choice in chunk["choices"]]


def finishes(sse: bytes) -> list[str]:
    """The finish reasons that were given."""
    reasons = [choice.get("finish_reason") for chunk in chunks(sse) for choice in chunk["choices"]]
    return [reason for reason in reasons if reason is not None]
