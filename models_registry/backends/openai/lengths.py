"""How much of an answer in OpenAI's dialect the model said, in bytes as they stand in the JSON."""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class _FunctionDelta(msgspec.Struct, gc=False):
    name: MaybeRaw = ABSENT
    arguments: MaybeRaw = ABSENT


class _ToolCallDelta(msgspec.Struct, gc=False):
    function: _FunctionDelta | None = None


class DeltaFields(msgspec.Struct, gc=False):
    content: MaybeRaw = ABSENT
    reasoning_content: MaybeRaw = ABSENT
    reasoning: MaybeRaw = ABSENT
    refusal: MaybeRaw = ABSENT
    tool_calls: list[_ToolCallDelta] | None = None
    function_call: _FunctionDelta | None = None


def length_of(delta: DeltaFields) -> int:
    """The bytes of everything that the model wrote in a delta."""
    total = text_length(delta.content) if delta.content else 0
    for raw in (delta.reasoning_content, delta.reasoning, delta.refusal):
        if raw:
            total += text_length(raw)
    if delta.tool_calls or delta.function_call:
        total += sum(_call_length(call.function) for call in delta.tool_calls or ())
        total += _call_length(delta.function_call)
    return total


def _call_length(function: _FunctionDelta | None) -> int:
    if function is None:
        return 0
    return sum(text_length(raw) for raw in (function.name, function.arguments) if raw)


def text_length(raw: msgspec.Raw) -> int:
    """The bytes of a JSON string without its quotes, with its escapes as they stand. Null has none, and any
    other value has all its bytes."""
    text = bytes(raw)
    if text.startswith(b'"'):
        return len(text) - 2
    return 0 if text == b"null" else len(text)
