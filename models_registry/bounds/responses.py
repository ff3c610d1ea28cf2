"""What a Responses request that goes to its provider as it came says of its cost: an allow-list of fields,
items and parts. What is not on it has no known bound.

Source: OpenAI's OpenAPI document 2.3.0, `CreateResponse`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from models_registry.backends.parameters import is_litellms
from models_registry.bounds.field_costs import CONSUMED_FIELDS, OFF
from models_registry.bounds.judgement import Unbounded, sent_fields
from models_registry.bounds.native import NativeQuestion
from models_registry.target import Target

IDLE = frozenset(
    {
        "model",
        "stream",
        "stream_options",
        "store",
        "background",
        "metadata",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "include",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "top_logprobs",
        "truncation",
        "tool_choice",
        "client_metadata",
        "moderation",
        "max_tool_calls",
    }
)
"""Fields that neither a count nor a rate depends on."""
KEPT = frozenset({"service_tier", "reasoning"})
"""Fields with the same meaning in chat."""
ITEMS = frozenset(
    {
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "compaction",
        "web_search_call",
    }
)
"""Kinds of items that are bounded by their bytes."""
TEXTS = frozenset(
    ["input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text", "encrypted_content"]
)
"""Kinds of parts that are bounded by their bytes."""
IMAGE = "input_image"
OWN_TOOLS = frozenset({"function", "custom", "namespace"})
"""Kinds of tools that the caller runs."""
HOLDERS = ("content", "output", "summary")
"""Fields of an item that may be a list of parts."""
_BodyObject = dict[str, msgspec.Raw]
_OBJECTS = msgspec.json.Decoder(list[_BodyObject])
_TEXTS = msgspec.json.Decoder(str)


def question_of(fields: Mapping[str, msgspec.Raw], target: Target) -> NativeQuestion:
    """What these fields of a request say of its cost. The deployment's parameters count where the caller sent
    none."""
    reading = _CostReader(target.free_params)
    sent = sent_fields(fields, target)
    for name, raw in sent.items():
        reading.field(name, raw)
    return NativeQuestion(
        text_bytes=reading.text_bytes,
        images=reading.images,
        tools=tuple(reading.tools),
        fields=reading.fields,
        unbounded=reading.unbounded,
    )


class _CostReader:
    def __init__(self, free: frozenset[str]) -> None:
        self._free = free
        self.text_bytes = 0
        self.images = 0
        self.tools: list[msgspec.Raw] = []
        self.fields: dict[str, msgspec.Raw] = {}
        self.unbounded: Unbounded | None = None

    def field(self, name: str, raw: msgspec.Raw) -> None:
        """Take one field of the body into account."""
        text = bytes(raw)
        if name in IDLE or text in OFF or name in self._free or name in CONSUMED_FIELDS or is_litellms(name):
            return
        if name in KEPT:
            self.fields[name] = raw
        elif name == "max_output_tokens":
            self.fields["max_tokens"] = raw
        elif name == "input":
            self._input(text)
        elif name == "instructions":
            self.text_bytes += len(text)
        elif name == "text":
            if b'"json_schema"' in text or b'"json_object"' in text:
                self.fields["response_format"] = raw
        elif name == "tools":
            self._tools(text)
        else:
            self._is_unbounded(name, name)

    def _input(self, text: bytes) -> None:
        self.text_bytes += len(text)
        for place, item in enumerate(_objects(text)):
            kind = _text(item.get("type")) or "message"
            if kind not in ITEMS:
                self._is_unbounded(f"input[{place}]", f"input.{kind}")
            for holder in HOLDERS:
                parts = _objects(bytes(item.get(holder, b"")))
                for at, part in enumerate(parts):
                    self._part(part, f"input[{place}].{holder}[{at}]")

    def _part(self, part: _BodyObject, where: str) -> None:
        kind = _text(part.get("type"))
        if kind in TEXTS:
            return
        url = part.get("image_url")
        if kind == IMAGE and url is not None and _is_image(_text(url)):
            self.images += 1
            self.text_bytes -= len(bytes(url))
        else:
            self._is_unbounded(where, f"input.content.{kind}")

    def _tools(self, text: bytes) -> None:
        for place, tool in enumerate(_objects(text)):
            kind = _text(tool.get("type"))
            if kind not in OWN_TOOLS:
                self._is_unbounded(f"tools[{place}]", f"tools.{kind}")
            self.tools.append(msgspec.Raw(msgspec.json.encode(tool)))

    def _is_unbounded(self, path: str, name: str) -> None:
        if self.unbounded is None and name not in self._free:
            self.unbounded = Unbounded(path, name)


def _is_image(url: str) -> bool:
    return not url[:5].lower().startswith("data:") or url[5:11].lower() == "image/"


def _objects(text: bytes) -> Sequence[_BodyObject]:
    if not text.startswith(b"["):
        return ()
    try:
        return _OBJECTS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()


def _text(raw: msgspec.Raw | None) -> str:
    try:
        return "" if raw is None else _TEXTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
