"""Recorded exchanges of legacy completions through the byte path."""

import json

import msgspec

from models_registry.backends.openai.completions import NativeCompletions
from models_registry.dialects import Dialect
from schema.completions import CompletionsRequest
from schema.wire import decode_body
from tests.models_registry.backends.feeding import feed_most_ways
from tests.models_registry.backends.making import FACTS, events_of, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges
from tests.models_registry.backends.test_recordings import check_error, is_usage_chunk

TO = target(Dialect.OPENAI)
NATIVE = NativeCompletions()
_REQUESTS = msgspec.json.Decoder(CompletionsRequest)


def asked(exchange: Exchange, **more: object) -> CompletionsRequest:
    fields = json.loads(exchange.request.body or "{}")
    return decode_body(_REQUESTS, json.dumps({"model": "public", "prompt": "Hi"} | fields | more).encode())


def test_recorded_requests_go_on_and_answers_come_back_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("completions"):
        if exchange.response.status != 200:
            check_error(exchange, Dialect.OPENAI)
            checked += 1
            continue
        request = asked(exchange)
        sent = json.loads(NATIVE.request(request, TO, FACTS).body)
        recorded = json.loads(exchange.request.body or "{}")
        assert {name: sent.get(name) for name in recorded if name not in ("model", "stream_options")} == {
            name: value for name, value in recorded.items() if name not in ("model", "stream_options")
        }, exchange.id
        if exchange.streaming:
            continue
        answer = json.loads(exchange.body)
        completion, usage = NATIVE.answer(exchange.body, request, TO)
        assert json.loads(msgspec.json.encode(completion.fields())) == answer, exchange.id
        if answer.get("usage"):
            assert usage is not None
            assert usage.total_tokens == answer["usage"]["total_tokens"], exchange.id
        checked += 1
    assert checked >= enough(20)


def test_recorded_streams_are_passed_on_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("completions"):
        if not exchange.streaming or exchange.response.status != 200:
            continue
        request = asked(exchange, stream=True, stream_options={"include_usage": True})
        found = feed_most_ways(
            lambda request=request: NATIVE.stream(request, TO),  # type: ignore[misc]
            exchange.body,
            all_ways_below=12_000,
        )
        recorded = events_of(exchange.response.body.encode())
        expected = recorded if recorded[-1] == "[DONE]" else [*recorded, "[DONE]"]
        assert found.error is None, (exchange.id, found.error)
        assert events_of(found.out) == expected, exchange.id
        reports = [event["usage"] for event in recorded if is_usage_chunk(event)]
        if reports:
            assert found.usage is not None
            assert found.usage.total_tokens == reports[-1]["total_tokens"], exchange.id
        checked += 1
    assert checked >= enough(8)
