"""Conversations that other providers and clients began, as Anthropic, Bedrock and Google take them."""

import itertools
import json
import re
from typing import Any  # JSON as a provider reads it, without types

import pytest

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from tests.models_registry.backends.making import FACTS, WEATHER, chat
from tests.models_registry.backends.test_every_order import at

Json = dict[str, Any]
CLAUDES = (Dialect.ANTHROPIC, Dialect.BEDROCK)
STRICT = (*CLAUDES, Dialect.GEMINI)
ASKED: Json = {"role": "user", "content": "Weather in Rome?"}
JPEG = "data:image/jpg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD"


def called(id: str, arguments: str = '{"city": "Rome"}') -> list[Json]:
    call = {"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return [
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": ""},
    ]


HISTORIES: dict[str, list[Json]] = {
    "an id with dots, colons, bars and blanks": called("fn.weather:0|a b"),
    "a very long id": called("x" * 120),
    "cut arguments": called("call_1", '{"city": "Ro'),
    "arguments that are no object": called("call_1", "[1]"),
    "no arguments": called("call_1", ""),
    "a text of blanks": [
        ASKED,
        {"role": "assistant", "content": " \n"},
        {"role": "user", "content": "Well?"},
    ],
    "a part of blanks": [
        {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "a"}]}
    ],
    "an empty question": [{"role": "user", "content": ""}],
    "a begun answer": [ASKED, {"role": "assistant", "content": "It is  "}],
    "an answer first": [{"role": "assistant", "content": "Hello."}, ASKED],
    "a system text alone": [{"role": "system", "content": "Be brief."}],
    "two questions": [ASKED, ASKED],
    "a picture of image/jpg": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": JPEG}}]}
    ],
}


def sent(dialect: Dialect, messages: list[Json], **fields: object) -> Json:
    request, to, backend = chat(messages=messages, **fields), at(dialect), BACKENDS[dialect]
    fitted = backend.fitted(request, to)
    request, to = (request, to) if fitted is None else (fitted.request, fitted.target)
    found: Json = json.loads(backend.chat_request(request, to, FACTS).body)
    return found


def turns_of(body: Json) -> list[tuple[str, list[Json]]]:
    return [
        (turn["role"], turn.get("content") or turn["parts"])
        for turn in body.get("messages") or body["contents"]
    ]


@pytest.mark.parametrize("dialect", STRICT)
@pytest.mark.parametrize("history", HISTORIES)
def test_a_history_of_any_origin_is_one_that_the_provider_takes(history: str, dialect: Dialect) -> None:
    body = sent(dialect, HISTORIES[history], tools=[WEATHER])
    turns = turns_of(body)
    roles = [role for role, _ in turns]
    assert roles[0] == "user"
    assert all(first != second for first, second in itertools.pairwise(roles))
    blocks = [block for _, blocks in turns for block in blocks]
    assert all(turn for _, turn in turns)
    assert "image/jpg" not in json.dumps(body)
    if dialect in CLAUDES:
        assert all(block["text"].strip() for block in blocks if "text" in block)
        assert roles[-1] == "user" or turns[-1][1][-1]["text"] == "It is"
    calls = [
        block.get("toolUse") or block
        for block in blocks
        if "toolUse" in block or block.get("type") == "tool_use"
    ]
    results = [
        block.get("toolResult") or block
        for block in blocks
        if "toolResult" in block or block.get("type") == "tool_result"
    ]
    ids = [call.get("toolUseId") or call["id"] for call in calls]
    assert ids == [result.get("toolUseId") or result["tool_use_id"] for result in results]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", id) for id in ids)
    assert dialect is not Dialect.BEDROCK or all(len(id) <= 64 for id in ids)
    google = [block["functionCall"]["args"] for block in blocks if "functionCall" in block]
    assert all(isinstance(given, dict) for given in (*(call["input"] for call in calls), *google))


@pytest.mark.parametrize("dialect", CLAUDES)
def test_tools_of_the_history_are_declared_where_the_caller_sends_none(dialect: Dialect) -> None:
    body = sent(dialect, [*called("call_1"), {"role": "user", "content": "Thanks."}])
    assert "weather" in json.dumps(body.get("tools") or body["toolConfig"]["tools"])
