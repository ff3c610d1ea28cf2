"""Record the embedded model: `python -m tests.recordings.record` writes `embedded_model.jsonl` anew.

Each line is one exchange, in the format of `tests/recordings/README.md`. Bodies are what was sent and
received, byte for byte. The key is not recorded.
"""

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from runtime.local.model import ALIAS, Address, EmbeddedModel, EmbeddedModelError

TARGET = Path(__file__).with_name("embedded_model.jsonl")
KEPT_HEADERS = ("content-type", "retry-after", "x-request-id")
CHAT = "/chat/completions"

ASK: list[object] = [{"role": "user", "content": "Say hello in five words."}]
WEATHER: list[object] = [{"role": "user", "content": "What is the weather in Paris?"}]
GET_WEATHER: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
GREETING: dict[str, object] = {
    "type": "json_schema",
    "json_schema": {
        "name": "greeting",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"greeting": {"type": "string", "maxLength": 12}, "count": {"enum": [1, 2]}},
            "required": ["greeting", "count"],
            "additionalProperties": False,
        },
    },
}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange to record. `fields` go into the body beside the model."""

    features: tuple[str, ...]
    fields: dict[str, object]
    path: str = CHAT
    good_key: bool = True

    @property
    def streaming(self) -> bool:
        return bool(self.fields.get("stream"))


def chat(*features: str, good_key: bool = True, **fields: object) -> Case:
    """A chat call that gets the same answer each time, since the temperature is zero and the answer is
    short."""
    return Case(features=features, fields={"max_tokens": 40, "temperature": 0, **fields}, good_key=good_key)


USAGE = {"include_usage": True}
CASES = (
    chat(messages=ASK),
    chat(messages=ASK, stream=True),
    chat("stream_options", messages=ASK, stream=True, stream_options=USAGE),
    chat("tool_calls", "tools", messages=WEATHER, tools=[GET_WEATHER]),
    chat(
        "stream_options", "tool_calls", "tools",
        messages=WEATHER, tools=[GET_WEATHER], stream=True, stream_options=USAGE,
    ),
    chat("json_schema", messages=ASK, response_format=GREETING),
    chat("logprobs", messages=ASK, logprobs=True, top_logprobs=2, max_tokens=3),
    chat("truncated", messages=ASK, max_tokens=2),
    chat("error_400", messages=[{"role": "user", "content": "word " * 9000}]),
    chat("error_400", messages="no list"),
    chat("error_401", messages=ASK, good_key=False),
    Case(features=(), fields={"input": ["a gateway", "a lock"]}, path="/embeddings"),
    Case(
        features=("encoding_format",),
        fields={"input": "a gateway", "encoding_format": "base64"},
        path="/embeddings",
    ),
)  # fmt: skip


def exchange(address: Address, case: Case) -> dict[str, object]:
    """Make the call, and give the line to write."""
    body = msgspec.json.encode({"model": ALIAS, **case.fields})
    key = address.api_key.reveal() if case.good_key else "sk-not-the-key"
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    answer = httpx.post(address.api_base + case.path, content=body, headers=headers, timeout=60)
    return {
        "id": hashlib.sha256(case.path.encode() + body + bytes([case.good_key])).hexdigest()[:16],
        "source_repo": "switchgear",
        "source_path": "tests/recordings/record.py",
        "source_index": CASES.index(case),
        "license": "Apache-2.0",
        "recorded": datetime.now(UTC).date().isoformat(),
        "provider": "llamacpp",
        "operation": "chat" if case.path == CHAT else "embeddings",
        "model": ALIAS,
        "streaming": case.streaming,
        "features": sorted(case.features),
        "notes": [],
        "request": {
            "method": "POST",
            "url": "http://127.0.0.1/v1" + case.path,
            "auth": "bearer",
            "headers": {"content-type": "application/json"},
            "body": body.decode(),
        },
        "response": {
            "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers},
            "body": answer.text,
        },
    }


def main() -> None:
    model = EmbeddedModel()
    try:
        address = model.start()
        lines = [msgspec.json.encode(exchange(address, case)) for case in CASES]
    except EmbeddedModelError as exc:
        sys.exit(f"no embedded model: {exc}")
    finally:
        model.stop()
    TARGET.write_bytes(b"".join(line + b"\n" for line in lines))
    sys.stdout.write(f"{len(lines)} exchanges in {TARGET}\n")


if __name__ == "__main__":
    main()
