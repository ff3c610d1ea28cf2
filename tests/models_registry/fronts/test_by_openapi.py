"""Recorded answers of every dialect but OpenAI's, on chat and on legacy completions, judged by OpenAI's own
OpenAPI document. (Responses are judged in `responses/test_recordings.py`.)"""

import json
from collections.abc import Sequence
from typing import Any  # JSON, without types

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.fronts.chat.front import ChatFront
from models_registry.fronts.completions.front import CompletionsFront
from models_registry.turns.events import AnswerEvent
from schema.completions import CompletionsRequest
from schema.errors.base import GatewayError
from schema.wire import decode_body
from tests.models_registry.backends.feeding import cut
from tests.models_registry.backends.making import FACTS, chat, events_of, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges
from tests.specs.openai import violations

OPERATIONS = {
    Dialect.ANTHROPIC: (("messages", "raw_predict"), 300),
    Dialect.OLLAMA: (("api_chat",), 20),
    Dialect.GEMINI: (("generate_content", "stream_generate_content"), 250),
    Dialect.BEDROCK: (("converse", "converse_stream"), 140),
    Dialect.COHERE: (("chat_v2",), 50),
    Dialect.RESPONSES: (("responses",), 290),
}
CHAT, COMPLETIONS = ChatFront(), CompletionsFront()


def asked(**fields: Any) -> CompletionsRequest:
    body = {"model": "public", "prompt": "Hi"} | fields
    return decode_body(msgspec.json.Decoder(CompletionsRequest), json.dumps(body).encode())


def said_by(dialect: Dialect, exchange: Exchange) -> Sequence[AnswerEvent] | None:
    """The events of a recorded answer. None: it is an error, or an answer that broke."""
    to, backend = target(dialect), BACKENDS[dialect]
    try:
        if not exchange.streaming:
            return list(backend.answer(exchange.body, chat(), to, FACTS))
        parser = backend.events(chat(stream=True), to, FACTS)
        given = [*(parser.feed(piece) for piece in cut(exchange.body, (7, 90, 1000))), parser.close()]
    except GatewayError:
        return None
    if any(each.failure is not None for each in given):
        return None
    return [event for each in given for event in each.events]


def told(writer: Any, said: Sequence[AnswerEvent]) -> list[Any]:
    sent = b"".join([*map(writer.write, said), writer.end()])
    return [event for event in events_of(sent) if event != "[DONE]"]


def under_way(event: Any) -> Any:
    """A chunk of legacy completions as the document would have it. OpenAI's own chunks before the last one
    have a reason that is null, and the document knows whole answers alone."""
    choices = [
        {**choice, "finish_reason": "stop"} if choice["finish_reason"] is None else choice
        for choice in event["choices"]
    ]
    return {**event, "choices": choices}


@pytest.mark.parametrize("dialect", OPERATIONS)
def test_a_recorded_answer_is_one_of_openais_on_chat_and_completions(dialect: Dialect) -> None:
    operations, least = OPERATIONS[dialect]
    to, seen = target(dialect), 0
    for exchange in (each for operation in operations for each in exchanges(operation)):
        if exchange.response.status != 200:
            continue
        said = said_by(dialect, exchange)
        if said is None:
            continue
        seen += 1
        whole = json.loads(msgspec.json.encode(CHAT.whole(said, chat(), to, FACTS).fields()))
        wrong = violations("CreateChatCompletionResponse", whole)
        for event in told(CHAT.writer(chat(stream=True), to, FACTS), said):
            wrong += violations("CreateChatCompletionStreamResponse", event)
        legacy = json.loads(msgspec.json.encode(COMPLETIONS.whole(said, asked(), to, FACTS).fields()))
        wrong += violations("CreateCompletionResponse", legacy)
        for event in told(COMPLETIONS.writer(asked(stream=True), to, FACTS), said):
            wrong += violations("CreateCompletionResponse", under_way(event))
        assert wrong == [], exchange.id
    assert seen >= enough(least)
