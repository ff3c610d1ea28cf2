import importlib
import inspect
import pkgutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from schema import errors
from schema.errors.base import GatewayError, Told
from schema.errors.forms import envelope
from schema.errors.limits import RateLimited
from schema.errors.upstream import ProviderError

GUIDE = (Path(__file__).parents[3] / "docs/guide.md").read_text()
OPENAI_CODES = {
    "content_filter",
    "failed_to_download_image",
    "context_length_exceeded",
    "insufficient_quota",
    "invalid_api_key",
    "model_not_found",
    "rate_limit_exceeded",
    "unsupported_parameter",
}
"""The words that OpenAI has for errors that the gateway finds itself."""
MODULES = [
    importlib.import_module(f"schema.errors.{each.name}") for each in pkgutil.iter_modules(errors.__path__)
]
KINDS: list[type[GatewayError]] = [
    kind
    for module in MODULES
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, GatewayError) and kind is not ProviderError and kind.__module__ == module.__name__
]


def test_every_file_but_that_of_the_forms_has_errors() -> None:
    files = {module.__name__ for module in MODULES}
    assert {kind.__module__ for kind in KINDS} == files - {"schema.errors.forms"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_a_type_and_a_code(kind: type[GatewayError]) -> None:
    body = msgspec.json.decode(msgspec.json.encode(envelope(kind("why", param="model"))))["error"]
    assert 400 <= kind("why").http_status < 600
    assert set(body) == {"message", "type", "param", "code", "reason"}
    assert body["message"] == "why"
    assert body["param"] == "model"
    assert body["type"]
    assert body["reason"] == kind("why").reason
    assert body["code"] in (*OPENAI_CODES, str(kind("why").http_status))


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_stands_in_the_guides_table(kind: type[GatewayError]) -> None:
    rows = [line for line in GUIDE.splitlines() if line.startswith("| `")]
    row = next((row for row in rows if row.startswith(f"| `{kind.word}`")), None)
    assert row is not None, kind.word
    assert str(kind("why").http_status) in row
    assert f"`{kind('why').code}`" in row


def test_reasons_are_words_of_their_own() -> None:
    words = [ProviderError.word, *(kind.word for kind in KINDS)]
    assert len(set(words)) == len(words)


def test_a_limit_says_its_kind_and_when_it_begins_anew() -> None:
    at = datetime(2026, 11, 29, 12, 0, 59, 1, tzinfo=UTC).timestamp()
    error = RateLimited("why", limit_type="tokens", reset_at_s=at)
    assert error.reply_headers == {"rate_limit_type": "tokens", "reset_at": "2026-11-29 12:01:00 UTC"}
    assert RateLimited("why").reply_headers == {"rate_limit_type": "requests"}
    assert Told.of(error).error().reply_headers == error.reply_headers


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
