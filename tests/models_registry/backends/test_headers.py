"""What a caller is told of a provider's headers."""

import pytest

from models_registry.backends.headers import MAX_TOLD, told_headers
from models_registry.dialects import Dialect
from tests.models_registry.backends.making import target

TARGET = target(Dialect.OPENAI)


def told(*pairs: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    return dict(told_headers(pairs, TARGET))


def test_each_header_has_litellms_prefix_and_a_name_in_lower_case() -> None:
    assert told((b"X-Request-Id", b"req_1"), (b"openai-processing-ms", b"12")) == {
        b"llm_provider-x-request-id": b"req_1",
        b"llm_provider-openai-processing-ms": b"12",
    }


@pytest.mark.parametrize(
    "name",
    [
        b"Set-Cookie",
        b"set-cookie2",
        b"Connection",
        b"Transfer-Encoding",
        b"Content-Length",
        b"WWW-Authenticate",
        b"Authorization",
        b"x-api-key",
        b"proxy-authenticate",
    ],
)
def test_cookies_credentials_and_what_belongs_to_the_connection_are_not_told(name: bytes) -> None:
    assert told((name, b"x"), (b"date", b"now")) == {b"llm_provider-date": b"now"}


def test_a_value_that_repeats_the_credential_is_not_told() -> None:
    assert TARGET.api_key is not None
    echo = f"Bearer {TARGET.api_key.reveal()}".encode()
    assert told((b"x-echo", echo), (b"x-fine", b"1")) == {b"llm_provider-x-fine": b"1"}


def test_long_odd_and_many_headers_are_left_out() -> None:
    assert told(
        (b"x-long", b"a" * 257), (b"x-wide", b"\xff"), (b"a" * 300, b"1"), (b"x-fits", b"a" * 256)
    ) == {b"llm_provider-x-fits": b"a" * 256}
    assert len(told(*((b"x-%d" % number, b"1") for number in range(100)))) == MAX_TOLD
