"""Events of the platform in, answers in its form out."""

import base64
from typing import Any

import msgspec
import pytest

from runtime.serverless.events import MAX_ANSWER_BYTES, answer_of, event_of, fits, in_base64
from schema.errors.requests import InvalidRequest
from tests.fakes.lambda_events import body_of, http_event


def test_an_event_has_its_method_path_query_headers_cookies_body_and_address() -> None:
    raw = http_event(
        "post",
        "/v1/chat/completions",
        body={"a": 1},
        query="a=1&b=%20",
        headers={"X-Mixed-Case": "kept"},
        cookies=["one=1", "two=2"],
    )
    event = event_of(raw)
    assert (event.method, event.path("")) == ("POST", "/v1/chat/completions")
    assert (event.raw_query_string, event.address) == ("a=1&b=%20", "203.0.113.9")
    assert event.named()["x-mixed-case"] == "kept"
    assert event.named()["cookie"] == "one=1; two=2"
    assert event.content() == b'{"a": 1}'


def test_a_body_in_base64_is_the_bytes_that_were_sent() -> None:
    assert event_of(http_event("POST", "/", body=bytes(range(256)))).content() == bytes(range(256))
    assert event_of(http_event("POST", "/")).content() == b""
    broken = {**http_event("POST", "/", body=b"x"), "body": "no base64!"}
    with pytest.raises(InvalidRequest, match="base64"):
        event_of(broken).content()


@pytest.mark.parametrize(
    ("raw", "stage", "root", "path"),
    [
        ("/v1/models", "$default", "", "/v1/models"),
        ("/prod/v1/models", "prod", "", "/v1/models"),
        ("/prod", "prod", "", "/"),
        ("/products", "prod", "", "/products"),
        ("/llm/v1/models", "$default", "/llm", "/v1/models"),
        ("//v1//models/", "$default", "", "/v1/models"),
        ("/key%2flist", "$default", "", "/key/list"),
    ],
)
def test_the_path_is_without_the_stage_and_the_root(raw: str, stage: str, root: str, path: str) -> None:
    event = http_event("GET", raw)
    event["requestContext"]["stage"] = stage
    assert event_of(event).path(root) == path


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"version": "1.0", "httpMethod": "GET", "path": "/"},
        {"Records": []},
        {"version": "2.0"},
        {**http_event("GET", "/"), "headers": {"a": 1}},
        {**http_event("GET", "/"), "requestContext": {}},
    ],
)
def test_an_event_of_another_form_is_refused_by_name(raw: Any) -> None:
    with pytest.raises(InvalidRequest, match="HTTP event"):
        event_of(raw)


def test_an_answer_has_its_headers_once_and_its_cookies_apart() -> None:
    pairs = [
        (b"Content-Type", b"application/json"),
        (b"content-length", b"2"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2; Path=/"),
        (b"vary", b"Origin"),
        (b"vary", b"Cookie"),
    ]
    assert answer_of(200, pairs, b"{}") == {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "vary": "Origin, Cookie"},
        "cookies": ["a=1; Path=/", "b=2; Path=/"],
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_a_body_that_is_no_text_goes_as_base64() -> None:
    answer = answer_of(200, [], b"\xff\x00")
    assert answer["isBase64Encoded"] is True
    assert body_of(answer) == b"\xff\x00"


def test_an_answer_fits_by_its_length_as_the_platform_counts_it() -> None:
    """Quotes are escaped in it, so that JSON may take twice its length; base64 takes a third more."""
    body = b'"' * (MAX_ANSWER_BYTES * 2 // 3)
    answer = answer_of(200, [], body)
    assert not fits(answer)
    assert fits(in_base64(answer, body))
    assert len(msgspec.json.encode(in_base64(answer, body))) > len(base64.b64encode(body))
    assert not fits(answer_of(200, [], b"x" * MAX_ANSWER_BYTES))
