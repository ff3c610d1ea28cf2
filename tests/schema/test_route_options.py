"""What a request says about retries and fallbacks."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.route_options import AS_CONFIGURED, ROUTE_FIELDS, RouteOptions, route_options_of


def options(headers: Mapping[str, str] | None = None, **body: Any) -> RouteOptions:
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    return route_options_of(headers or {}, fields)


def test_most_requests_say_nothing() -> None:
    assert options({"accept": "*/*"}, model="m", messages=[]) is AS_CONFIGURED


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({}, {"num_retries": 3}, RouteOptions(retries=3)),
        ({"x-litellm-num-retries": "4"}, {}, RouteOptions(retries=4)),
        ({"x-litellm-num-retries": "4"}, {"num_retries": 0}, RouteOptions(retries=4)),
        ({}, {"num_retries": None}, AS_CONFIGURED),
        ({}, {"max_retries": 1}, RouteOptions(retries=1)),
        ({}, {"max_retries": 1, "num_retries": 3}, RouteOptions(retries=3)),
        ({}, {"max_retries": 1, "num_retries": None}, RouteOptions(retries=1)),
        ({"x-litellm-num-retries": "0"}, {"max_retries": 5}, RouteOptions(retries=0)),
        ({}, {"timeout": 2}, RouteOptions(timeout_s=2.0)),
        ({}, {"timeout": 0.5, "request_timeout": 9}, RouteOptions(timeout_s=0.5)),
        ({}, {"request_timeout": 9}, RouteOptions(timeout_s=9.0)),
        ({}, {"timeout": 0, "request_timeout": 9}, RouteOptions(timeout_s=9.0)),
        ({}, {"timeout": None}, AS_CONFIGURED),
        ({}, {"timeout": 0}, AS_CONFIGURED),
        ({"x-litellm-timeout": "1.5"}, {"timeout": 9}, RouteOptions(timeout_s=1.5)),
        ({"x-litellm-stream-timeout": "3"}, {"stream_timeout": 9}, RouteOptions(stream_timeout_s=3.0)),
        ({}, {"stream_timeout": 4}, RouteOptions(stream_timeout_s=4.0)),
        (
            {},
            {"context_window_fallback_dict": {"a": "b"}},
            RouteOptions(context_window_fallbacks={"a": ("b",)}),
        ),
        (
            {},
            {"context_window_fallback_dict": {"a": "b"}, "context_window_fallbacks": [{"a": ["c"]}]},
            RouteOptions(context_window_fallbacks={"a": ("c",)}),
        ),
        ({}, {"fallbacks": ["a", {"model": "b"}]}, RouteOptions(fallbacks=("a", "b"))),
        ({}, {"fallbacks": []}, RouteOptions(fallbacks=())),
        ({}, {"disable_fallbacks": True}, RouteOptions(falls_back=False)),
        ({}, {"disable_fallbacks": False}, RouteOptions()),
        (
            {},
            {"context_window_fallbacks": [{"a": ["b"]}], "content_policy_fallbacks": [{"a": ["c"]}]},
            RouteOptions(context_window_fallbacks={"a": ("b",)}, content_policy_fallbacks={"a": ("c",)}),
        ),
    ],
)
def test_what_is_asked_is_read(headers: dict[str, str], body: dict[str, Any], found: RouteOptions) -> None:
    assert options(headers, **body) == found


@pytest.mark.parametrize(
    ("headers", "body", "param"),
    [
        ({}, {"num_retries": 11}, "num_retries"),
        ({}, {"num_retries": -1}, "num_retries"),
        ({}, {"num_retries": "2"}, "num_retries"),
        ({}, {"num_retries": 1.5}, "num_retries"),
        ({"x-litellm-num-retries": "lots"}, {}, "x-litellm-num-retries"),
        ({"x-litellm-num-retries": "99"}, {}, "num_retries"),
        ({}, {"fallbacks": "b"}, "fallbacks"),
        ({}, {"fallbacks": [1]}, "fallbacks"),
        ({}, {"fallbacks": ["b"] * 21}, "fallbacks"),
        ({}, {"fallbacks": [{"model": 1}]}, "fallbacks"),
        ({}, {"disable_fallbacks": "yes"}, "disable_fallbacks"),
        ({}, {"context_window_fallbacks": ["b"]}, "context_window_fallbacks"),
        ({}, {"content_policy_fallbacks": [{"a": ["b"] * 21}]}, "content_policy_fallbacks"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    headers: dict[str, str], body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        options(headers, **body)
    assert refused.value.param == param


def test_a_fallback_that_changes_the_request_is_refused() -> None:
    with pytest.raises(UnsupportedParameter):
        options(fallbacks=[{"model": "b", "temperature": 0}])


@given(
    name=st.sampled_from(sorted(ROUTE_FIELDS)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_anything_is_read_or_refused(name: str, value: Any) -> None:
    assert refused_for(name, value) in (None, name)


def refused_for(name: str, value: Any) -> str | None:
    try:
        options(**{name: value})
    except InvalidRequest as refused:
        return refused.param
    return None


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("name", sorted(ROUTE_FIELDS))
def test_a_field_without_a_value_asks_for_nothing(name: str, nothing: object) -> None:
    assert options({}, **{name: nothing}) == options({})


@pytest.mark.parametrize(
    ("headers", "body", "param"),
    [
        ({"x-litellm-timeout": "soon"}, {}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "0"}, {}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "nan"}, {}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "inf"}, {}, "x-litellm-timeout"),
        ({"x-litellm-timeout": ""}, {}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "1" * 30}, {}, "x-litellm-timeout"),
        ({"x-litellm-stream-timeout": "-1"}, {}, "x-litellm-stream-timeout"),
        ({}, {"timeout": -1}, "timeout"),
        ({}, {"timeout": 6001}, "timeout"),
        ({}, {"timeout": "10"}, "timeout"),
        ({}, {"timeout": {"connect": 1}}, "timeout"),
        ({}, {"request_timeout": 1e300}, "request_timeout"),
        ({}, {"stream_timeout": True}, "stream_timeout"),
        ({}, {"max_retries": 11}, "max_retries"),
        ({}, {"max_retries": "2"}, "max_retries"),
        ({}, {"context_window_fallback_dict": {"a": ["b"]}}, "context_window_fallback_dict"),
        (
            {},
            {"context_window_fallback_dict": {str(n): "b" for n in range(21)}},
            "context_window_fallback_dict",
        ),
    ],
)
def test_a_deadline_or_number_that_is_none_is_refused_by_name(
    headers: dict[str, str], body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        options(headers, **body)
    assert caught.value.param == param
