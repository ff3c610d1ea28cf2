import inspect

import msgspec
import pytest

from schema import errors
from schema.errors import GatewayError, ProviderError, envelope

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, GatewayError) and kind is not ProviderError
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_a_type_and_a_code(kind: type[GatewayError]) -> None:
    body = msgspec.json.decode(msgspec.json.encode(envelope(kind("why", param="model"))))["error"]
    assert 400 <= kind("why").http_status < 600
    assert set(body) == {"message", "type", "param", "code"}
    assert body["message"] == "why"
    assert body["param"] == "model"
    assert body["type"]
    assert isinstance(body["code"], str)


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_repeats_a_long_name(kind: type[GatewayError]) -> None:
    error = kind("a" * 100_000, param="messages[0]." + "a" * 100_000)
    told = msgspec.json.encode(envelope(error))
    assert len(told) < 10_000
    assert (error.param or "").startswith("messages[0].aaa")


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawn_tree_shows_every_error(kind: type[GatewayError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_a_providers_status_and_code_are_kept() -> None:
    error = ProviderError("slow down", status=429, code="rate_limit_exceeded", retry_after_s=7)
    assert (error.http_status, error.error_type, error.code) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert error.retry_after_s == 7
