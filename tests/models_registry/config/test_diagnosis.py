"""What is told of a call that failed: providers' own error bodies, and ways that lead nowhere."""

import json

import pytest

from models_registry.backends.provider_errors import provider_error
from models_registry.config.diagnosis import ADVICE, Fault, diagnosed
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import (
    Unreached,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tests.functions.contexts import make_registry


def target(model: str = "openai/gpt-4o", **params: str) -> Target:
    entry = {"model_name": "m", "litellm_params": {"model": model, "api_key": "sk-secret-key-1", **params}}
    return make_registry({"model_list": [entry]}).target("m", allowed=(), roll=0.0)


def openai(message: str, kind: str = "invalid_request_error", code: str | None = None) -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def amazon(message: str) -> object:
    return {"message": message}


def google(message: str, code: int, status: str) -> object:
    return {"error": {"code": code, "message": message, "status": status}}


SAID = [
    (401, openai("Incorrect API key provided: sk-***.", code="invalid_api_key"), Fault.KEY),
    (
        401,
        {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}},
        Fault.KEY,
    ),
    (400, google("API key not valid. Please pass a valid API key.", 400, "INVALID_ARGUMENT"), Fault.KEY),
    (403, amazon("The security token included in the request is invalid."), Fault.KEY),
    (
        403,
        amazon("The request signature we calculated does not match the signature you provided."),
        Fault.KEY,
    ),
    (403, openai("You are not allowed to sample from this model"), Fault.PERMISSION),
    (403, amazon("You don't have access to the model with the specified model ID."), Fault.PERMISSION),
    (
        404,
        openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"),
        Fault.MODEL,
    ),
    (
        404,
        {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}},
        Fault.ADDRESS,
    ),
    (404, {"error": "model 'llama9' not found, try pulling it first"}, Fault.MODEL),
    (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        Fault.MODEL,
    ),
    (400, amazon("The provided model identifier is invalid."), Fault.MODEL),
    (404, google("models/gemini-9 is not found for API version v1beta", 404, "NOT_FOUND"), Fault.MODEL),
    (400, amazon("Invocation of model ID x with on-demand throughput isn't supported."), Fault.REGION),
    (
        400,
        google("User location is not supported for the API use.", 400, "FAILED_PRECONDITION"),
        Fault.REGION,
    ),
    (
        403,
        openai("Country, region, or territory not supported", code="unsupported_country_region_territory"),
        Fault.REGION,
    ),
    (
        429,
        openai(
            "You exceeded your current quota, please check your plan.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        Fault.QUOTA,
    ),
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}, Fault.QUOTA),
    (
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."},
        },
        Fault.QUOTA,
    ),
    (429, openai("Rate limit reached for gpt-4o", "requests", "rate_limit_exceeded"), Fault.OVERLOAD),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Fault.OVERLOAD),
    (503, google("The model is overloaded.", 503, "UNAVAILABLE"), Fault.OVERLOAD),
    (400, openai("Unsupported parameter: 'max_tokens' is not supported with this model."), Fault.REQUEST),
    (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, Fault.REQUEST),
]


@pytest.mark.parametrize(("status", "body", "fault"), SAID)
def test_a_provider_s_words_say_what_is_wrong(status: int, body: object, fault: Fault) -> None:
    to = target()
    found = diagnosed(provider_error(status, {}, json.dumps(body).encode(), to), to)
    assert found.fault is fault, found
    assert found.said
    assert "{" not in found.advice


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", b"404 page not found"])
def test_a_404_that_is_no_error_of_the_dialect_is_a_wrong_address(body: bytes) -> None:
    to = target(api_base="https://gpu.test")
    found = diagnosed(provider_error(404, {}, body, to), to)
    assert found.fault is Fault.ADDRESS
    assert "https://gpu.test" in found.advice
    assert "/v1" in found.advice


WAYS: list[tuple[GatewayError, Fault]] = [
    *((UpstreamUnreachable("no", at=at), fault) for at, fault in {
        Unreached.ADDRESS: Fault.ADDRESS,
        Unreached.NAME: Fault.NAME,
        Unreached.PROXY: Fault.PROXY,
        Unreached.TLS: Fault.TLS,
        Unreached.CREDENTIAL: Fault.KEY,
    }.items()),
    (UpstreamTimeout("late"), Fault.TIME),
    (UpstreamMalformed("html"), Fault.ANSWER),
    (UpstreamCut("cut"), Fault.ANSWER),
    (InvalidRequest("ours"), Fault.GATEWAY),
]  # fmt: skip


@pytest.mark.parametrize(("error", "fault"), WAYS)
def test_a_way_that_leads_nowhere_is_told_apart(error: GatewayError, fault: Fault) -> None:
    assert diagnosed(error, target()).fault is fault


def test_each_fault_has_advice_and_every_way_is_known() -> None:
    assert ADVICE.keys() == set(Fault)
    for at in Unreached:
        assert diagnosed(UpstreamUnreachable("no", at=at), target()).advice


def test_the_advice_on_a_key_names_the_provider_s_variable() -> None:
    to = target("groq/llama-3.1-8b-instant")
    found = diagnosed(provider_error(401, {}, b'{"error":{"message":"Invalid API Key"}}', to), to)
    assert "GROQ_API_KEY" in found.advice


def test_no_credential_is_told() -> None:
    to = target()
    body = json.dumps(openai("Incorrect API key provided: sk-secret-key-1.")).encode()
    found = diagnosed(provider_error(401, {}, body, to), to)
    assert "sk-secret-key-1" not in f"{found.said} {found.advice}"
