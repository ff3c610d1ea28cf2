"""Redaction comes before cutting, looks at what JSON means, and keeps nothing that it can't read."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bodies.redaction import REDACTED, Redactor, UnreadableBody, value_of
from runtime.bodies.storage_policy import REDACTED_FIELDS, REDACTED_PATTERNS, StoragePolicy

KEY = "sk-abcdefghijklmnop0123"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def redactor(*patterns: str, fields: tuple[str, ...] = (), max_bytes: int = 65_536) -> Redactor:
    return Redactor(
        StoragePolicy(
            max_body_bytes=max_bytes,
            redacted_fields=(*REDACTED_FIELDS, *fields),
            redacted_patterns=tuple(re.compile(each) for each in (*REDACTED_PATTERNS, *patterns)),
        )
    )


def kept(value: object, using: Redactor) -> Any:
    found = using.kept_of(value)
    assert found.text is not None
    assert not found.truncated
    return msgspec.json.decode(found.text)


@pytest.mark.parametrize("name", ["api_key", "API-Key", "apiKey", "Authorization", "client_secret", "ssn"])
def test_a_field_is_left_out_whatever_it_holds_and_however_it_is_written(name: str) -> None:
    values: tuple[object, ...] = ("x", 7, {"deep": "x"}, ["x"], None)
    for value in values:
        body = {"a": [{name: value}], "b": 1}
        assert kept(body, redactor(fields=("ssn",))) == {"a": [{name: REDACTED}], "b": 1}


def test_a_pattern_is_left_out_of_any_text_name_or_number() -> None:
    body = {"a": f"my key is {KEY}.", "b": [4111111111111111, 5], KEY: 1}
    assert kept(body, redactor(r"\b\d{16}\b")) == {
        "a": f"my key is {REDACTED}.",
        "b": [REDACTED, 5],
        REDACTED: 1,
    }


def test_escapes_hide_nothing() -> None:
    raw = rb'{"pass\u0077ord": "x", "text": "\u0073k-abcdefghijklmnop0123"}'
    assert kept(value_of(raw), redactor()) == {"password": REDACTED, "text": REDACTED}


def test_json_inside_text_is_looked_into_and_other_text_stays_as_it_was() -> None:
    body = {"arguments": '{"password": "x", "n": 1}', "said": '{"n":  1}', "text": "{no json"}
    assert kept(body, redactor()) == {
        "arguments": f'{{"password":"{REDACTED}","n":1}}',
        "said": '{"n":  1}',
        "text": "{no json",
    }


def test_what_is_too_long_is_cut_after_it_was_redacted() -> None:
    for max_bytes in range(1, 60):
        found = redactor(max_bytes=max_bytes).kept_of({"a": "ä" * 8 + " " + KEY + " " + "ö" * 40})
        assert found.truncated
        assert found.text is not None
        assert len(found.text.encode()) <= max_bytes
        assert "sk-" not in found.text


def test_what_is_no_json_or_too_deep_is_not_kept() -> None:
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    for data in (b"", b"{", b"data: x", b'{"a": "\xff"}', b"[" * 100_000):
        with pytest.raises(UnreadableBody):
            value_of(data)
    with pytest.raises(UnreadableBody):
        redactor().kept_of(deep)


@given(value=JSON)
def test_what_holds_no_secret_is_kept_as_it_is(value: object) -> None:
    plain = Redactor(StoragePolicy(redacted_fields=(), redacted_patterns=(), max_body_bytes=10**6))
    again = msgspec.json.encode(value)
    found = plain.kept_of(value_of(again))
    assert found.text is not None
    assert value_of(found.text.encode()) == value_of(again)
