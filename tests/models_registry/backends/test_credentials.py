"""Which parts of a provider's text are cut, and which are left."""

import time

import pytest

from models_registry.backends.credentials import MAX_CHARS, without_credentials

UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cretabc",
        "Bearer SECRETabcdefghijklmnop refused",
        "Basic SECRETabcdefghijklmnop==",
        "GET https://user:SECRET@host/v1 failed",
        "postgres://SECRET@db:5432/x",
        "redis://:SECRET@cache",
        "password: SECRET",
        '{"password":"SECRET"}',
        "client_secret=SECRET&grant_type=x",
        '{"clientSecret": "SECRET"}',
        "token=SECRET123456",
        '"token": "s3cret-SECRET"',
        "passphrase = SECRET",
    ],
)
def test_a_credential_is_cut_whatever_it_is_called(text: str) -> None:
    cut = without_credentials(text)
    assert "***" in cut
    assert "SECRET" not in cut
    assert "s3cret" not in cut


@pytest.mark.parametrize(
    "text", [f"Invalid key {UUID}", f"key: {UUID}", f"token '{UUID}'", f'"secret":"{UUID}"']
)
def test_a_uuid_that_is_called_a_key_is_cut(text: str) -> None:
    assert UUID not in without_credentials(text)


@pytest.mark.parametrize(
    "text",
    [
        f"request {UUID} failed",
        "Bearer authentication is needed",
        "Basic authentication failed",
        "Unexpected token: foobarbaz",
        "max_tokens: 100000000 is too large",
        "See https://docs.example.com/errors#password for more",
        "write to support@example.com",
        "the password is wrong",
        "this model's token limit is 128000",
    ],
)
def test_an_everyday_message_stays_as_it_is(text: str) -> None:
    assert without_credentials(text) == text


@pytest.mark.parametrize(
    "piece", ["a", "token=", "key ", "http://", "bearer ", "password:", "a://b", "client secret "]
)
def test_no_text_is_looked_at_for_long(piece: str) -> None:
    begun = time.perf_counter()
    without_credentials(piece * MAX_CHARS)
    assert time.perf_counter() - begun < 2
