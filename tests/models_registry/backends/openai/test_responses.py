"""Requests on the byte path of Responses."""

import json

import msgspec
import pytest

from models_registry.backends.openai.responses import NativeResponses
from models_registry.dialects import Dialect
from schema.responses import ResponsesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, body_of, target


@pytest.mark.parametrize("odd", [["x" * 90], {"a": "x" * 90}, int("1" * 90), None])
def test_an_id_of_a_call_that_is_no_text_goes_on_as_it_came(odd: object) -> None:
    items = [
        {"type": "function_call", "call_id": odd, "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "a__thought__b", "name": "f", "arguments": "{}"},
    ]
    body = json.dumps({"model": "m", "input": items}).encode()
    request = decode_body(msgspec.json.Decoder(ResponsesRequest), body)
    assert body_of(NativeResponses().request(request, target(Dialect.OPENAI), FACTS))["input"] == items
