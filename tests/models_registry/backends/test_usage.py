import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.tolerance import MAX_MENDED_BYTES, decoded, loosely
from models_registry.backends.usage import MOST, USAGES, count_in, count_of, from_wire, report_in
from schema.chat import PromptDetails, WireUsage
from schema.wire import ABSENT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
DETAILS = ("prompt_tokens_details", "completion_tokens_details", "prompt_cache_hit_tokens")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (12, 12),
        (12.0, 12),
        (12.2, 13),
        ("12", 12),
        (" 12 ", 12),
        (2**40, 2**40),
        (10**30, MOST),
        (1e300, MOST),
        (-1, None),
        (True, None),
        (None, None),
        ("many", None),
        ("nan", None),
        (math.inf, None),
        (math.nan, None),
        ("9" * 400, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_count_is_read_however_it_is_spelt(value: object, count: int | None) -> None:
    assert count_of(value) == count
    if isinstance(value, str | int | list | dict) and value is not True:
        assert count_in(msgspec.Raw(msgspec.json.encode(value))) == count


def test_a_count_that_was_not_sent_is_none() -> None:
    assert count_in(ABSENT) is None
    assert count_in(msgspec.Raw(b"null")) is None
    assert count_in(msgspec.Raw(b"NaN")) is None


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*COUNTS, *DETAILS), JSON)))
def test_no_usage_that_json_can_hold_breaks_the_reader(report: dict[str, object]) -> None:
    wire = report_in(msgspec.Raw(msgspec.json.encode(report)), USAGES)
    assert wire is not None
    usage = from_wire(wire)
    if usage is not None:
        assert min(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) >= 0


@given(st.sampled_from(COUNTS), st.sampled_from(DETAILS), JSON)
def test_what_can_be_read_beside_something_odd_is_read(count: str, details: str, odd: object) -> None:
    report = {count: 7.0, details: odd}
    wire = report_in(msgspec.Raw(msgspec.json.encode(report)), USAGES)
    assert wire is not None
    assert getattr(wire, count) == 7


def test_what_is_no_report_is_none() -> None:
    for raw in (b"null", b"[]", b"7", b'"x"', b"{"):
        assert report_in(msgspec.Raw(raw), USAGES) is None
    assert report_in(ABSENT, USAGES) is None


def test_a_report_with_nan_is_read() -> None:
    raw = msgspec.Raw(b'{"prompt_tokens":7,"cost":NaN,"prompt_tokens_details":{"cached_tokens":3.0}}')
    details = PromptDetails(cached_tokens=3)
    assert report_in(raw, USAGES) == WireUsage(prompt_tokens=7, prompt_tokens_details=details)


@given(JSON)
def test_every_json_of_pythons_is_read_as_strict_json(value: object) -> None:
    for text in (json.dumps(value), "\ufeff" + json.dumps(value, ensure_ascii=False)):
        data = text.encode("utf-8", "surrogatepass")
        try:
            data.decode()
        except UnicodeDecodeError:
            continue
        found = decoded(msgspec.json.Decoder(), data)
        assert type(found) is type(value) or found is None or isinstance(value, float | int)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"nan", b"\xff", b"\xef\xbb\xbf", b"[" * 100_000, b"9" * 5_000 + b"x"]
)
def test_what_no_client_reads_stays_an_error(data: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        decoded(msgspec.json.Decoder(), data)
    with pytest.raises(msgspec.DecodeError):
        loosely(data)


def test_what_is_not_strict_and_too_long_to_be_read_again_stays_an_error() -> None:
    long = b'["' + b"x" * MAX_MENDED_BYTES + b'",NaN]'
    with pytest.raises(msgspec.DecodeError):
        decoded(msgspec.json.Decoder(), long)
    with pytest.raises(msgspec.DecodeError):
        loosely(long)
    strict = b'\xef\xbb\xbf["' + b"x" * MAX_MENDED_BYTES + b'"]'
    assert len(decoded(msgspec.json.Decoder(), strict)[0]) == MAX_MENDED_BYTES
