"""What each pair of a surface and a dialect carries, found by asking the code itself:
`python -m tests.models_registry.fronts.carried` writes `docs/carried.md`.

Each feature is asked for alone. It is `sent` where the provider's request differs from the plain one,
`left out` or `named` where it does not, and `refused` where the caller is told its name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends import BACKENDS
from models_registry.backends.addresses import wanted, with_files
from models_registry.backends.backend import UpstreamRequest
from models_registry.dialects import Dialect
from models_registry.fronts.chat.front import ChatFront
from models_registry.fronts.completions.front import CompletionsFront
from models_registry.fronts.front import Front
from models_registry.fronts.messages.front import MessagesFront
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.target import Target
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.completions import CompletionsRequest
from schema.errors.requests import InvalidRequest
from schema.messages import MessagesRequest
from schema.responses import ResponsesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, PIXEL, target

PAGE = Path(__file__).parents[3] / "docs" / "carried.md"
SENT, LEFT_OUT, REFUSED, NATIVE = "sent", "left out", "refused", "as it came"
NAMED = "named"
FETCHED = "fetched"
NAMELESS = "refused without a name"
Json = dict[str, Any]
FRONTS: Mapping[Surface, tuple[Front[Any, Any], type[Any]]] = MappingProxyType(
    {
        Surface.CHAT: (ChatFront(), ChatRequest),
        Surface.COMPLETIONS: (CompletionsFront(), CompletionsRequest),
        Surface.RESPONSES: (ResponsesFront(), ResponsesRequest),
        Surface.MESSAGES: (MessagesFront(), MessagesRequest),
    }
)
HELLO = [{"role": "user", "content": "Hi"}]
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
STRICT = "a strict tool"
PAPER = "https://a.test/paper.pdf"
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
SOURCE: Json = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}


def _user(*parts: Json) -> list[Json]:
    return [{"role": "user", "content": list(parts)}]


def _chat() -> dict[str, Json]:
    pdf, sound = {"file_data": PDF, "filename": "a.pdf"}, {"data": "AAAA", "format": "wav"}
    tool: Json = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    return {
        "a system text": {"messages": [{"role": "system", "content": "Be brief."}, *HELLO]},
        "an inline picture": {"messages": _user({"type": "image_url", "image_url": {"url": PIXEL}})},
        "a picture by its address": {
            "messages": _user({"type": "image_url", "image_url": {"url": "https://a.test/b.png"}})
        },
        "an inline PDF": {"messages": _user({"type": "file", "file": pdf})},
        "a PDF by its address": {"messages": _user({"type": "file", "file": {"file_id": PAPER}})},
        "a file by its id": {"messages": _user({"type": "file", "file": {"file_id": "file-1"}})},
        "sound": {"messages": _user({"type": "input_audio", "input_audio": sound})},
        "a tool": {"tools": [tool]},
        STRICT: {"tools": [{**tool, "function": {**tool["function"], "strict": True}}]},
        "a call and its result": {
            "tools": [tool],
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            ],
        },
        "some tool has to be called": {"tools": [tool], "tool_choice": "required"},
        "one call at a time": {"tools": [tool], "parallel_tool_calls": False},
        "a schema": {
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
        },
        "an effort": {"reasoning_effort": "low"},
        "a limit": {"max_completion_tokens": 7},
        "sampling": {"temperature": 0.5, "top_p": 0.5},
        "a seed": {"seed": 1},
        "a stop sequence": {"stop": ["x"]},
        "log probabilities": {"logprobs": True},
        "the likeliest other tokens": {"logprobs": True, "top_logprobs": 2},
        "two answers": {"n": 2},
        "a mark for the cache": {
            "messages": _user({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}})
        },
        "a user": {"user": "ada"},
        "labels": {"metadata": {"a": "b"}},
        "a service tier": {"service_tier": "flex"},
    }


def _completions() -> dict[str, Json]:
    return {
        "several texts": {"prompt": ["a", "b"]},
        "an end": {"suffix": "end"},
        "the prompt again": {"echo": True},
        "a limit": {"max_tokens": 7},
        "sampling": {"temperature": 0.5},
        "a seed": {"seed": 1},
        "a stop sequence": {"stop": ["x"]},
        "log probabilities": {"logprobs": 2},
        "two answers": {"n": 2},
        "a user": {"user": "ada"},
    }


def _responses() -> dict[str, Json]:
    tool = {"type": "function", "name": "weather", "parameters": SCHEMA}
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'}
    result = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
    return {
        "instructions": {"instructions": "Be brief."},
        "an inline picture": {"input": _user({"type": "input_image", "image_url": PIXEL})},
        "a picture by its address": {
            "input": _user({"type": "input_image", "image_url": "https://a.test/b.png"})
        },
        "an inline PDF": {"input": _user({"type": "input_file", "file_data": PDF, "filename": "a.pdf"})},
        "a PDF by its address": {"input": _user({"type": "input_file", "file_url": PAPER})},
        "a file by its id": {"input": _user({"type": "input_file", "file_id": "file-1"})},
        "a tool": {"tools": [tool]},
        STRICT: {"tools": [{**tool, "strict": True}]},
        "a custom tool": {"tools": [{"type": "custom", "name": "patch"}]},
        "tools of a namespace": {
            "tools": [{"type": "namespace", "name": "crm", "description": "d", "tools": [tool]}]
        },
        "OpenAI's own tools": {"tools": [{"type": "web_search"}]},
        "a call and its result": {
            "tools": [tool],
            "input": [{"role": "user", "content": "Hi"}, call, result],
        },
        "some tool has to be called": {"tools": [tool], "tool_choice": "required"},
        "one call at a time": {"tools": [tool], "parallel_tool_calls": False},
        "a schema": {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
        "verbosity": {"text": {"verbosity": "low"}},
        "an effort": {"reasoning": {"effort": "low"}},
        "a limit": {"max_output_tokens": 7},
        "sampling": {"temperature": 0.5, "top_p": 0.5},
        "log probabilities": {"include": ["message.output_text.logprobs"]},
        "the likeliest other tokens": {"top_logprobs": 2},
        "truncation": {"truncation": "auto"},
        "a prompt that OpenAI keeps": {"prompt": {"id": "pmpt_1"}},
        "a user": {"user": "ada"},
        "labels": {"metadata": {"a": "b"}},
        "a service tier": {"service_tier": "flex"},
    }


def _messages() -> dict[str, Json]:
    tool = {"name": "weather", "input_schema": SCHEMA}
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    picture = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return {
        "a system text": {"system": "Be brief."},
        "an inline picture": {"messages": _user({"type": "image", "source": picture})},
        "a picture by its address": {
            "messages": _user({"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}})
        },
        "an inline PDF": {"messages": _user({"type": "document", "source": SOURCE})},
        "a PDF by its address": {
            "messages": _user({"type": "document", "source": {"type": "url", "url": PAPER}})
        },
        "a file by its id": {
            "messages": _user({"type": "document", "source": {"type": "file", "file_id": "file_1"}})
        },
        "a tool": {"tools": [tool]},
        STRICT: {"tools": [{**tool, "strict": True}]},
        "Anthropic's own tools": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "a call and its result": {
            "tools": [tool],
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": [call]},
                *_user({"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}),
            ],
        },
        "some tool has to be called": {"tools": [tool], "tool_choice": {"type": "any"}},
        "one call at a time": {
            "tools": [tool],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
        "thinking": {"thinking": thinking, "max_tokens": 2000},
        "sampling": {"temperature": 0.5, "top_p": 0.5},
        "top_k": {"top_k": 5},
        "a stop sequence": {"stop_sequences": ["x"]},
        "a mark for the cache": {
            "messages": _user({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}})
        },
        "a user": {"metadata": {"user_id": "ada"}},
        "a thread": {"thread": {"type": "create"}},
        "a service tier": {"service_tier": "standard_only"},
    }


FEATURES: Mapping[Surface, dict[str, Json]] = MappingProxyType(
    {
        Surface.CHAT: _chat(),
        Surface.COMPLETIONS: _completions(),
        Surface.RESPONSES: _responses(),
        Surface.MESSAGES: _messages(),
    }
)
PLAIN: Mapping[Surface, Json] = MappingProxyType(
    {
        Surface.CHAT: {"model": "public", "messages": HELLO},
        Surface.COMPLETIONS: {"model": "public", "prompt": "Hi"},
        Surface.RESPONSES: {"model": "public", "input": "Hi"},
        Surface.MESSAGES: {"model": "public", "messages": HELLO, "max_tokens": 9},
    }
)
NAMES: Mapping[Dialect, str] = MappingProxyType(
    {
        Dialect.OPENAI: "OpenAI's chat",
        Dialect.ANTHROPIC: "Anthropic",
        Dialect.OLLAMA: "Ollama",
        Dialect.GEMINI: "Gemini",
        Dialect.BEDROCK: "Bedrock",
        Dialect.COHERE: "Cohere",
        Dialect.RESPONSES: "OpenAI's Responses",
    }
)
TITLES: Mapping[Surface, str] = MappingProxyType(
    {
        Surface.CHAT: "Chat completions",
        Surface.COMPLETIONS: "Legacy completions",
        Surface.RESPONSES: "Responses",
        Surface.MESSAGES: "Messages",
    }
)
HEAD = """# What each pair carries

A call on a surface goes to a provider of another dialect by way of the neutral core
([decision 18](decisions/0018-neutral-core.md)). These tables say what becomes of what can be asked for. The
tests ask the code, and write this page (`python -m tests.models_registry.fronts.carried`).

| word | meaning |
| --- | --- |
| sent | the provider's request says it, in the provider's own words |
| fetched | the gateway fetches what stands at the address and sends it ([how](guide.md#by-address)) |
| left out | the provider's request does not say it; the answer lacks nothing, or the gateway does it itself |
| named | the provider's request does not say it, and the reply's header `x-switchgear-changed` names it |
| refused | 400 with the field's name, before anything is sent. `drop_params` leaves some of it out |

A provider that has the surface itself gets every field as it came ([surfaces](surfaces.md)). Nothing is known
of the models here: [the guide](guide.md#what-a-model-gets) tells what is done for models that refuse a field.
"""


NATIVES = frozenset({("chat", "openai"), ("messages", "anthropic"), ("responses", "responses")})


def turns_at(surface: Surface, dialect: Dialect, **fields: Any) -> tuple[ChatRequest, Target]:
    """A call with these fields as turns, and its deployment. Raises InvalidRequest."""
    front, kind = FRONTS[surface]
    request = decode_body(msgspec.json.Decoder(kind), json.dumps({**PLAIN[surface], **fields}).encode())
    to = target(dialect)
    turns = front.read(request, to)
    fitted = BACKENDS[dialect].fitted(turns, to)
    if fitted is not None:
        turns, to = fitted.request, fitted.target
    return turns, to


def request_at(surface: Surface, dialect: Dialect, **fields: Any) -> UpstreamRequest:
    """The provider's request for a call with these fields. Raises InvalidRequest."""
    turns, to = turns_at(surface, dialect, **fields)
    return BACKENDS[dialect].chat_request(with_files(turns, to, FACTS), to, FACTS)


def carried(surface: Surface, dialect: Dialect, label: str) -> str:
    """What becomes of a feature."""
    fields = FEATURES[surface][label]
    beside = FEATURES[surface]["a tool"] if label == STRICT else {}
    if (surface.value, dialect.value) in NATIVES:
        return NATIVE
    try:
        request = request_at(surface, dialect, **fields)
    except InvalidRequest as error:
        return REFUSED if error.param else NAMELESS
    if wanted(*turns_at(surface, dialect, **fields), FACTS):
        return FETCHED
    without = request_at(surface, dialect, **beside)
    if request.body != without.body:
        return SENT
    return LEFT_OUT if request.changed == without.changed else NAMED


def page() -> str:
    """The page, made of what the code does."""
    found = [HEAD]
    for surface, features in FEATURES.items():
        found.append(f"## {TITLES[surface]}\n")
        found.append(f"| | {' | '.join(NAMES[dialect] for dialect in Dialect)} |")
        found.append("| --- " * (len(NAMES) + 1) + "|")
        for label in features:
            cells = " | ".join(carried(surface, dialect, label) for dialect in Dialect)
            found.append(f"| {label} | {cells} |")
        found.append("")
    return "\n".join(found)


if __name__ == "__main__":
    PAGE.write_text(page())
