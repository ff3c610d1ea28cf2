"""Recorded questions as requests of Converse, judged by the model of the service that SDKs are made of."""

import json
from typing import Any  # JSON

import botocore.session
import msgspec
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from schema.chat import ChatRequest
from schema.errors.base import GatewayError
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, target
from tests.models_registry.backends.recordings import enough, exchanges

QUESTIONS = msgspec.json.Decoder(ChatRequest)


def with_blobs(value: Any) -> Any:
    """The request as SDKs are given it: base64 is bytes."""
    if isinstance(value, dict):
        return {
            name: inner.encode() if name == "bytes" else with_blobs(inner) for name, inner in value.items()
        }
    return [with_blobs(inner) for inner in value] if isinstance(value, list) else value


def test_recorded_questions_are_requests_of_converse() -> None:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("Converse").input_shape
    assert isinstance(shape, StructureShape)
    to, judge, seen = target(Dialect.BEDROCK, drop_params=True), ParamValidator(), 0
    for exchange in exchanges("chat"):
        if not exchange.request.body.startswith("{"):
            continue
        try:
            question = decode_body(QUESTIONS, exchange.request.body.encode())
            made = BACKENDS[Dialect.BEDROCK].chat_request(question, to, FACTS)
        except GatewayError:
            continue  # refused by name
        report = judge.validate({**with_blobs(json.loads(made.body)), "modelId": "m"}, shape)
        assert not report.has_errors(), (exchange.id, report.generate_report())
        seen += 1
    assert seen >= enough(600)
