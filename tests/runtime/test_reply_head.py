"""The head of an answer to a model's call: what it says of the gateway, the deployment, the provider."""

import json
from typing import Any

import pytest

from schema.errors.upstream import UpstreamUnreachable
from tests.fakes import answers
from tests.fakes.upstream import Answer, FakeUpstream
from tests.runtime.in_process import Client, House, ask, handle, scope_of

FROM_PROVIDER = {"x-request-id": "req_1", "set-cookie": "session=1", "Content-Type": "application/json"}
GOOD = Answer(body=answers.openai_chat(), headers=FROM_PROVIDER, took_s=0.25)
STREAM = Answer(chunks=answers.openai_stream(), headers=FROM_PROVIDER)
REFUSED = Answer(status=400, body=b'{"error": {"message": "no"}}', headers=FROM_PROVIDER)
DEPLOYMENT = (
    "x-litellm-model-id",
    "x-litellm-model-name",
    "x-litellm-model-group",
    "x-litellm-model-api-base",
    "x-litellm-timeout",
    "x-litellm-max-retries",
    "x-litellm-attempted-retries",
    "x-litellm-attempted-fallbacks",
)
DURATIONS = ("x-litellm-response-duration-ms", "x-litellm-overhead-duration-ms")


def called(answer: Any, **fields: Any) -> Client:
    return handle(House(FakeUpstream(answer)).route(), ask(**fields))


@pytest.mark.parametrize(
    ("answer", "fields"),
    [(GOOD, {}), (STREAM, {"stream": True}), (REFUSED, {})],
    ids=["plain", "stream", "error"],
)
def test_every_answer_names_the_deployment_and_has_the_providers_headers(answer: Answer, fields: Any) -> None:
    headers = called(answer, **fields).headers
    assert [name for name in DEPLOYMENT if name not in headers] == []
    assert headers["x-litellm-version"]
    assert headers["x-litellm-model-name"] == "openai/gpt-4"
    assert headers["x-litellm-attempted-retries"] == "0"
    assert headers["llm_provider-x-request-id"] == "req_1"
    assert headers["llm_provider-content-type"] == "application/json"
    assert "llm_provider-set-cookie" not in headers
    assert "set-cookie" not in headers
    assert (DURATIONS[0] in headers) == (answer is GOOD), "an answer whose end is known"


def test_the_gateways_own_time_is_what_the_provider_did_not_take() -> None:
    headers = called(GOOD).headers
    took_ms, own_ms = (float(headers[name]) for name in DURATIONS)
    assert 0 <= own_ms <= took_ms
    assert own_ms == 0, "the fake says that it took longer than the call"


def test_a_provider_that_never_answered_has_no_headers() -> None:
    headers = called(UpstreamUnreachable("no"), num_retries=0).headers
    assert headers["x-litellm-model-id"]
    assert not [name for name in headers if name.startswith("llm_provider-")]


def test_a_call_that_came_to_no_deployment_names_none() -> None:
    client = called(GOOD, model="no-such-model")
    assert client.status == 404
    assert [name for name in (*DEPLOYMENT, *DURATIONS) if name in client.headers] == []
    assert client.headers["x-litellm-call-id"]


def test_the_timeout_that_a_request_asks_for_is_told() -> None:
    house = House(FakeUpstream(GOOD))
    client = handle(house.route(), ask(), scope=scope_of(("x-litellm-timeout", "7.5")))
    assert client.headers["x-litellm-timeout"] == "7.5"
    assert house.upstream.deadlines[0].total_s == 7.5
    assert "timeout" not in json.loads(house.upstream.requests[0].body)
