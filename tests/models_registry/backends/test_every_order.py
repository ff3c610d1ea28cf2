"""A conversation with tools and thinking that goes on at one provider after the other, in every order.

Each provider's judge refuses what that provider refuses: fields that it does not declare, ids and signatures
that are not its own, a call without its signature, a result without its call. The client keeps the whole
messages, or only the fields that OpenAI has.
"""

import base64
import itertools
import json
import re
from collections.abc import Callable
from typing import Any  # JSON as a provider reads it, without types

import msgspec
import pytest
from google.genai import types as google

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.target import Target
from schema.chat import ChatCompletion
from tests.models_registry.backends.chatting import chat_answer
from tests.models_registry.backends.making import FACTS, WEATHER, chat, target

Json = dict[str, Any]
SIGNATURE = base64.b64encode(b"thought of one model " * 20).decode()
CALL = {"city": "Rome"}
OPENAI_FIELDS = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "annotations", "audio"}
PLAIN_FIELDS = ("role", "content", "tool_calls")


def openai_answer(turn: int) -> Json:
    call = {
        "id": f"call_{turn}abc",
        "type": "function",
        "function": {"name": "weather", "arguments": json.dumps(CALL)},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def anthropic_answer(turn: int) -> Json:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": f"Eq{SIGNATURE}"},
        {"type": "tool_use", "id": f"toolu_{turn}", "name": "weather", "input": CALL},
    ]
    return {"id": "m", "type": "message", "model": "m", "content": content, "stop_reason": "tool_use"}


def gemini_answer(turn: int) -> Json:
    parts = [
        {"text": "Hm.", "thought": True},
        {"text": "I look.", "thoughtSignature": SIGNATURE},
        {"functionCall": {"name": "weather", "args": CALL}, "thoughtSignature": SIGNATURE},
    ]
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}


def bedrock_answer(turn: int) -> Json:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": f"Eq{SIGNATURE}"}}},
        {"toolUse": {"toolUseId": f"tooluse_{turn}", "name": "weather", "input": CALL}},
    ]
    return {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}


def ollama_answer(turn: int) -> Json:
    call = {"function": {"name": "weather", "arguments": CALL}}
    message = {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [call]}
    return {"model": "m", "message": message, "done": True, "done_reason": "stop", "eval_count": 5}


def judge_openai(body: Json) -> None:
    calls: set[str] = set()
    for message in body["messages"]:
        assert set(message) <= OPENAI_FIELDS, message
        for call in message.get("tool_calls") or ():
            assert len(call["id"]) <= 40
            calls.add(call["id"])
        if message["role"] == "tool":
            assert message["tool_call_id"] in calls


def judge_anthropic(body: Json) -> None:
    open_calls: list[str] = []
    for message in body["messages"]:
        for block in message["content"]:
            assert set(block) <= {
                *("type", "text", "thinking", "signature", "id", "name", "input", "tool_use_id", "content")
            }
            if block["type"] == "thinking":
                assert block["signature"] == f"Eq{SIGNATURE}"
            if block["type"] == "tool_use":
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
                open_calls.append(block["id"])
            if block["type"] == "tool_result":
                open_calls.remove(block["tool_use_id"])
    assert open_calls == []


def judge_gemini(body: Json) -> None:
    for turn in body["contents"]:
        google.Content.model_validate(turn)
        for part in turn["parts"]:
            if "functionCall" in part:
                assert part["thoughtSignature"] in (SIGNATURE, "skip_thought_signature_validator")
            elif "thoughtSignature" in part:
                assert part["thoughtSignature"] == SIGNATURE


def judge_bedrock(body: Json) -> None:
    open_calls: list[str] = []
    for message in body["messages"]:
        for block in message["content"]:
            assert len(block) == 1
            if "toolUse" in block:
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["toolUse"]["toolUseId"])
                open_calls.append(block["toolUse"]["toolUseId"])
            if "toolResult" in block:
                open_calls.remove(block["toolResult"]["toolUseId"])
            if "reasoningContent" in block:
                assert block["reasoningContent"]["reasoningText"]["signature"] == f"Eq{SIGNATURE}"
    assert open_calls == []


def judge_ollama(body: Json) -> None:
    for message in body["messages"]:
        assert set(message) <= {"role", "content", "thinking", "tool_calls", "tool_name", "tool_call_id"}
        for call in message.get("tool_calls") or ():
            assert call["function"]["arguments"] == CALL


PROVIDERS: dict[Dialect, tuple[Callable[[int], Json], Callable[[Json], None]]] = {
    Dialect.OPENAI: (openai_answer, judge_openai),
    Dialect.ANTHROPIC: (anthropic_answer, judge_anthropic),
    Dialect.GEMINI: (gemini_answer, judge_gemini),
    Dialect.BEDROCK: (bedrock_answer, judge_bedrock),
    Dialect.OLLAMA: (ollama_answer, judge_ollama),
}
CLAUDES = (Dialect.ANTHROPIC, Dialect.BEDROCK)
SIGNING = {Dialect.GEMINI: (Dialect.GEMINI,), Dialect.ANTHROPIC: CLAUDES, Dialect.BEDROCK: CLAUDES}
"""Who reads whose signatures."""
NAMES = {Dialect.GEMINI: "gemini-3-pro-preview", Dialect.BEDROCK: "us.anthropic.claude-sonnet-4-5-v1:0"}


def at(dialect: Dialect) -> Target:
    """A deployment that is as strict as its provider's own hosts."""
    return msgspec.structs.replace(
        target(dialect), model=NAMES.get(dialect, "native"), strict_messages=dialect is Dialect.OPENAI
    )


def kept(completion: ChatCompletion, *, whole: bool) -> Json:
    """The message as a client sends it back."""
    message: Json = json.loads(msgspec.json.encode(completion.choices[0].message))
    return message if whole else {name: message[name] for name in PLAIN_FIELDS}


def signatures(dialect: Dialect, *, whole: bool) -> int:
    """How many signatures of each of its turns a provider gets back. A client with OpenAI's fields alone has
    those of Google's calls, whose ids it keeps."""
    if dialect is Dialect.GEMINI:
        return 2 if whole else 1
    return 1 if whole else 0


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "order", itertools.permutations(PROVIDERS), ids=lambda order: "-".join(d.value for d in order)
)
def test_a_conversation_goes_on_at_every_provider(order: tuple[Dialect, ...], whole: bool) -> None:
    messages: list[Json] = [{"role": "user", "content": "Weather in Rome?"}]
    for turn, dialect in enumerate((*order, order[0])):
        answer, judge = PROVIDERS[dialect]
        request, to, backend = chat(messages=messages, tools=[WEATHER]), at(dialect), BACKENDS[dialect]
        fitted = backend.fitted(request, to)
        sent, deployment = (request, to) if fitted is None else (fitted.request, fitted.target)
        body = backend.chat_request(sent, deployment, FACTS).body
        judge(json.loads(body))
        if dialect in SIGNING:
            own = sum(each in SIGNING[dialect] for each in order[:turn])
            assert body.count(SIGNATURE.encode()) == own * signatures(dialect, whole=whole)
        completion, _ = chat_answer(json.dumps(answer(turn)).encode(), request, to, FACTS)
        message = kept(completion, whole=whole)
        (call,) = message["tool_calls"]
        messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}]
