"""Recorded answers of every dialect as Responses, and recorded Responses on the byte path and as questions
for other models."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.backends.openai.responses import NativeResponses
from models_registry.bounds.responses import question_of
from models_registry.dialects import Dialect
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.turns.events import AnswerEvent
from models_registry.turns.sse import DONE_DATA, events
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import UpstreamError
from schema.responses import ResponsesRequest
from schema.usage import Usage
from schema.wire import decode_body
from tests.models_registry.backends.feeding import cut, run
from tests.models_registry.backends.making import FACTS, chat, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges
from tests.specs.openai import event_violations, violations

FRONT = ResponsesFront()
OPERATIONS = {
    Dialect.OPENAI: ("chat", 400),
    Dialect.ANTHROPIC: ("messages", 200),
    Dialect.OLLAMA: ("api_chat", 20),
}
NATIVE = NativeResponses()


def ask(**fields: Any) -> ResponsesRequest:
    body = {"model": "public", "input": "Hi"} | fields
    return decode_body(msgspec.json.Decoder(ResponsesRequest), json.dumps(body).encode())


def told_by(sent: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events(sent) if event.data and event.data != DONE_DATA]


def events_of(dialect: Dialect, exchange: Exchange) -> list[AnswerEvent] | None:
    """The events of a recorded answer. None: it is an error, or is of another dialect."""
    to, backend = target(dialect), BACKENDS[dialect]
    if not exchange.streaming:
        try:
            return list(backend.answer(exchange.body, chat(), to, FACTS))
        except UpstreamError:
            return None
    parser = backend.events(chat(stream=True), to, FACTS)
    found: list[AnswerEvent] = []
    for given in [*(parser.feed(piece) for piece in cut(exchange.body, (7, 90, 1000))), parser.close()]:
        if given.failure is not None:
            return None
        found += given.events
    return found


@pytest.mark.parametrize("dialect", OPERATIONS)
def test_a_recorded_answer_becomes_a_response(dialect: Dialect) -> None:
    seen, (operation, least) = 0, OPERATIONS[dialect]
    for exchange in exchanges(operation):
        if exchange.response.status != 200 or exchange.body_encoding:
            continue
        said = events_of(dialect, exchange)
        if said is None:
            continue
        seen += 1
        writer = FRONT.writer(ask(stream=True), target(dialect), FACTS)
        told = told_by(b"".join([*map(writer.write, said), writer.end()]))
        whole = json.loads(msgspec.json.encode(FRONT.whole(said, ask(), target(dialect), FACTS)))
        assert told[-1]["response"] == whole, exchange.id
        assert [event["sequence_number"] for event in told] == list(range(len(told))), exchange.id
        wrong = [*violations("Response", whole)]
        wrong += [each for event in told for each in event_violations(event)]
        assert wrong == [], exchange.id
    assert seen >= enough(least)


def recorded_answers(*, streaming: bool) -> Iterator[Exchange]:
    for exchange in exchanges("responses"):
        url = (exchange.request.url or "").partition("?")[0]
        usable = exchange.response.status == 200 and exchange.body_encoding is None
        if usable and url.endswith("/responses") and exchange.streaming == streaming:
            yield exchange


def check_counts(usage: Usage | None, response: dict[str, Any], id: str) -> None:
    if response.get("usage"):
        assert usage is not None, id
        assert usage.prompt_tokens == response["usage"]["input_tokens"], id
        assert usage.completion_tokens == response["usage"]["output_tokens"], id


def test_recorded_streams_of_responses_pass_as_they_came_and_are_counted() -> None:
    seen = 0
    for exchange in recorded_answers(streaming=True):
        ways = [
            run(NATIVE.stream(ask(), target(Dialect.OPENAI)), cut(exchange.body, at))
            for at in ((), (9, 77, 3000))
        ]
        assert ways[0].facts == ways[1].facts, exchange.id
        outcome, told = ways[0], told_by(exchange.body)
        last = told[-1] if told else {}
        if last.get("type") not in ("response.completed", "response.incomplete"):
            assert outcome.error is not None, exchange.id
            continue
        assert outcome.error is None, exchange.id
        seen += 1
        assert told_by(outcome.out) == told, exchange.id
        check_counts(outcome.usage, last["response"], exchange.id)
    assert seen >= enough(40)


def test_recorded_responses_pass_as_they_came_and_are_counted() -> None:
    seen = 0
    for exchange in recorded_answers(streaming=False):
        response = json.loads(exchange.body)
        if response.get("error") or response.get("status") == "failed" or "output" not in response:
            with pytest.raises(UpstreamError):
                NATIVE.answer(exchange.body, ask(), target(Dialect.OPENAI))
            continue
        answer, usage = NATIVE.answer(exchange.body, ask(), target(Dialect.OPENAI))
        assert answer.wire == exchange.body
        seen += 1
        check_counts(usage, response, exchange.id)
    assert seen >= enough(150)


@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OLLAMA, Dialect.OPENAI])
def test_a_recorded_question_is_read_or_refused_by_name(dialect: Dialect) -> None:
    read = refused = named = 0
    to = target(dialect)
    for exchange in exchanges("responses"):
        if not exchange.request.body.startswith("{"):
            continue
        try:
            request = decode_body(msgspec.json.Decoder(ResponsesRequest), exchange.request.body.encode())
        except GatewayError:
            continue  # a body that OpenAI refused too, or one without a model
        question = question_of(request.raw, to)
        assert question.text_bytes >= 0
        try:
            turns = FRONT.read(request, to)
            BACKENDS[dialect].chat_request(turns, to, FACTS)
        except InvalidRequest as error:
            refused += 1
            named += bool(error.param)
        else:
            read += 1
    assert read >= enough(60)
    assert named == refused >= enough(20)
