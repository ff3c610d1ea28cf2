"""Recorded counts of tokens at Anthropic."""

import json

import msgspec

from models_registry.backends import BACKENDS
from models_registry.backends.anthropic.native import count_request, counted_tokens
from models_registry.dialects import Dialect
from schema.messages import CountRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, target
from tests.models_registry.backends.recordings import enough, exchanges

TO = target(Dialect.ANTHROPIC)
_REQUESTS = msgspec.json.Decoder(CountRequest)


def test_recorded_counts_are_asked_for_and_read_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("count_tokens", "anthropic"):
        if exchange.response.status != 200:
            headers, status = exchange.response.headers, exchange.response.status
            error = BACKENDS[Dialect.ANTHROPIC].error(status, headers, exchange.body, TO)
            assert error.http_status == status
            checked += 1
            continue
        recorded = json.loads(exchange.request.body)
        made = count_request(decode_body(_REQUESTS, exchange.request.body.encode()), TO, FACTS)
        assert made.url.endswith("/v1/messages/count_tokens")
        assert json.loads(made.body) == recorded | {"model": "native"}, exchange.id
        assert counted_tokens(exchange.body, TO).input_tokens == json.loads(exchange.body)["input_tokens"]
        checked += 1
    assert checked >= max(1, enough(13))
