"""Every recorded answer of each dialect told to a client of Messages: no error that the recording does
not have itself, and what the plainest reading of the recording says."""

import json

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.fronts.messages.front import MessagesFront
from models_registry.turns.stream import TranslatedStream
from models_registry.turns.surfaces import Surface
from schema.errors.base import GatewayError
from schema.messages import MessagesRequest
from schema.wire import to_json
from tests.models_registry.backends.asking import OPERATIONS
from tests.models_registry.backends.feeding import cut, feed_all_ways, run
from tests.models_registry.backends.making import FACTS, chat, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges
from tests.models_registry.fronts.messages.reading import CUT, Json, events_in, message_of

FRONT = MessagesFront()
EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
"""The SDK's own types of events. A type of block that it does not know does not pass."""
REQUEST = MessagesRequest(model="public", messages=[])
UNTOLD = ("compaction",)
"""Stop reasons that the core does not know. The gateway asks no model for a summary of its own."""
EXPLAINED = {"09a2ee15eae7e2d6": "OpenRouter says `tool_calls` for a call that its limit cut"}
LEAST = {
    (Dialect.OPENAI, False): 250,
    (Dialect.OPENAI, True): 150,
    (Dialect.ANTHROPIC, False): 100,
    (Dialect.ANTHROPIC, True): 50,
    (Dialect.OLLAMA, False): 5,
    (Dialect.OLLAMA, True): 5,
    (Dialect.GEMINI, False): 160,
    (Dialect.GEMINI, True): 70,
    (Dialect.BEDROCK, False): 110,
    (Dialect.BEDROCK, True): 20,
    (Dialect.COHERE, False): 40,
    (Dialect.COHERE, True): 8,
    (Dialect.RESPONSES, False): 100,
    (Dialect.RESPONSES, True): 40,
}


def recorded(dialect: Dialect, *, streaming: bool) -> list[Exchange]:
    return [
        exchange
        for exchange in exchanges(OPERATIONS[dialect])
        if exchange.response.status == 200
        and exchange.streaming == streaming
        and not (streaming and exchange.body.startswith(b"["))  # Google's other form of a stream
    ]


def told(dialect: Dialect, exchange: Exchange) -> tuple[bytes, GatewayError | None]:
    """What the client is sent of a recorded stream."""
    to = target(dialect)
    stream = TranslatedStream(
        BACKENDS[dialect].events(chat(stream=True), to, FACTS), FRONT.writer(REQUEST, to, FACTS)
    )
    outcome = run(stream, cut(exchange.body, range(0, len(exchange.body), 97)))
    return outcome.out, outcome.error


@pytest.mark.parametrize("dialect", Dialect)
def test_recorded_answers_are_messages(dialect: Dialect) -> None:
    seen = 0
    for exchange in recorded(dialect, streaming=False):
        try:
            events = BACKENDS[dialect].answer(exchange.body, chat(), target(dialect), FACTS)
        except GatewayError:
            assert b'"error"' in exchange.body or b'"content"' not in exchange.body, exchange.id
            continue
        message: Json = json.loads(to_json(FRONT.whole(events, REQUEST, target(dialect), FACTS)))
        check(message, exchange)
        seen += 1
        if dialect is Dialect.ANTHROPIC:
            check_same(message, json.loads(exchange.body), exchange)
    assert seen >= enough(LEAST[dialect, False])


@pytest.mark.parametrize("dialect", Dialect)
def test_recorded_streams_are_messages(dialect: Dialect) -> None:
    seen = 0
    for exchange in recorded(dialect, streaming=True):
        out, error = told(dialect, exchange)
        if error is not None:
            native = BACKENDS[dialect].natives.get(Surface.CHAT)
            if native is not None:
                relayed = run(native.stream(chat(stream=True), target(dialect)), [exchange.body])
                assert relayed.error is not None, exchange.id
            else:
                assert b'"error"' in exchange.body, exchange.id
            continue
        for event in events_in(out):
            if event["type"] != "ping":
                EVENTS.validate_python(event)
        message = message_of(out)
        check(message, exchange)
        seen += 1
    assert seen >= enough(LEAST[dialect, True])


def test_recorded_streams_of_anthropic_pass_the_byte_path_unchanged() -> None:
    native = BACKENDS[Dialect.ANTHROPIC].natives[Surface.MESSAGES]
    seen = 0
    for exchange in recorded(Dialect.ANTHROPIC, streaming=True):
        outcome = feed_all_ways(
            lambda: native.stream(REQUEST, target(Dialect.ANTHROPIC)), exchange.body, [9, 99]
        )
        translated, error = told(Dialect.ANTHROPIC, exchange)
        assert (outcome.error is None) == (error is None), exchange.id
        if error is not None:
            continue
        assert outcome.out.strip() == exchange.body.strip(), exchange.id
        stream = BACKENDS[Dialect.ANTHROPIC].events(chat(stream=True), target(Dialect.ANTHROPIC), FACTS)
        stream.feed(exchange.body)
        stream.close()
        assert outcome.usage == stream.usage, exchange.id
        assert translated
        seen += 1
    assert seen >= enough(LEAST[Dialect.ANTHROPIC, True])


def test_recorded_answers_of_anthropic_pass_the_byte_path_unchanged() -> None:
    native = BACKENDS[Dialect.ANTHROPIC].natives[Surface.MESSAGES]
    seen = 0
    for exchange in recorded(Dialect.ANTHROPIC, streaming=False):
        if '"type":"message"' not in exchange.response.body.replace(" ", ""):
            continue
        answer, usage = native.answer(exchange.body, REQUEST, target(Dialect.ANTHROPIC))
        assert answer.wire == exchange.body
        assert usage is not None
        assert native.told_bytes(answer) is not None
        seen += 1
    assert seen >= enough(LEAST[Dialect.ANTHROPIC, False])


def check(message: Json, exchange: Exchange) -> None:
    """What every message has."""
    Message.model_validate(message, strict=True)
    assert (message["type"], message["role"]) == ("message", "assistant"), exchange.id
    assert message["id"], exchange.id
    assert message["stop_reason"], exchange.id
    assert all(count >= 0 for count in message["usage"].values() if isinstance(count, int)), exchange.id
    kinds = [block["type"] for block in message["content"]]
    assert set(kinds) <= {"text", "thinking", "redacted_thinking", "tool_use"}, exchange.id
    if "tool_use" in kinds and message["stop_reason"] not in ("max_tokens", "refusal"):
        assert message["stop_reason"] in ("tool_use", "end_turn", "pause_turn"), exchange.id
    for block in message["content"]:
        if block["type"] == "tool_use":
            assert isinstance(block["input"], dict), exchange.id
            is_cut = message["stop_reason"] == "max_tokens" or exchange.id in EXPLAINED
            assert CUT not in block["input"] or is_cut, exchange.id
            assert block["id"], exchange.id
            assert block["name"], exchange.id
        assert block.get("text") != "" or block.get("citations"), exchange.id


def check_same(message: Json, own: Json, exchange: Exchange) -> None:
    """An answer of Anthropic's that went over the core says what it said before."""
    kept = ("text", "thinking", "redacted_thinking", "tool_use")
    before = [block for block in own["content"] if block["type"] in kept and block.get("text") != ""]
    assert [block["type"] for block in message["content"]] == [block["type"] for block in before], exchange.id
    for mine, theirs in zip(message["content"], before, strict=True):
        for name in ("text", "thinking", "signature", "data", "input", "name"):
            assert mine.get(name) == theirs.get(name), exchange.id
    told = own["stop_reason"] if own["stop_reason"] not in UNTOLD else "end_turn"
    assert message["stop_reason"] == told, exchange.id
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens"):
        assert message["usage"][name] == (own["usage"].get(name) or 0), exchange.id
