import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from schema.shape import SLICE_BYTES
from schema.wire import decode_body

DECODER = msgspec.json.Decoder(ChatRequest)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(max_size=8).filter(lambda name: name not in ChatRequest.__struct_fields__)
BLANKS = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


def body_of(fields: list[tuple[str, object]], blank: str) -> bytes:
    inside = f"{blank},{blank}".join(f"{json.dumps(k)}{blank}:{blank}{json.dumps(v)}" for k, v in fields)
    return f"{blank}{{{blank}{inside}{blank}}}{blank}".encode()


@given(st.dictionaries(NAMES, JSON_VALUES, max_size=5), BLANKS)
def test_undeclared_fields_keep_their_exact_bytes(extra: dict[str, object], blank: str) -> None:
    fields = [("model", "m"), *extra.items(), ("messages", [])]
    request = decode_body(DECODER, body_of(list(fields), blank))
    kept = {name: json.loads(bytes(value)) for name, value in request.raw.items()}
    assert kept == dict(fields)


@given(st.dictionaries(NAMES, JSON_VALUES, min_size=1, max_size=5), BLANKS, st.data())
def test_a_top_level_key_that_stands_twice_is_refused(
    extra: dict[str, object], blank: str, data: st.DataObject
) -> None:
    fields = [("model", "m"), ("messages", []), *extra.items()]
    twice = data.draw(st.sampled_from(fields[:1] + fields[2:]))
    place = data.draw(st.integers(0, len(fields)))
    fields.insert(place, twice)
    with pytest.raises(InvalidRequest, match="twice"):
        decode_body(DECODER, body_of(fields, blank))


def test_a_key_written_two_ways_is_still_the_same_key() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        decode_body(DECODER, b'{"model":"a","messages":[],"mod\\u0065l":"b"}')


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":1,"messages":[]}', "model"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"m","messages":[{"role":"user"},{"content":"x"}]}', "messages[1].role"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}',
            "messages[0].content[0].type",
        ),
        (b'{"model":"m","messages":[],"temperature":"hot"}', "temperature"),
        (b'{"model":"m","messages":[],"stop":[1]}', "stop[0]"),
    ],
)
def test_a_wrong_type_names_its_path(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_body(DECODER, body)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nul", b"\xff\xfe", b'{"a":1}}', b"[" * 5000])
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_body(DECODER, body)


@pytest.mark.parametrize("ends", [b"", b'"}' + b" " * SLICE_BYTES], ids=["short", "long"])
@pytest.mark.parametrize("broken", [b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_a_field_that_is_kept_as_its_bytes_is_utf_8_too(broken: bytes, ends: bytes) -> None:
    body = b'{"model":"m","messages":[],"later":"' + broken + (ends or b'"}')
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        decode_body(DECODER, body)


def test_a_character_may_lie_at_the_border_of_two_slices() -> None:
    head = b'{"model":"m","messages":[],"later":"'
    text = "a" * (SLICE_BYTES - len(head) - 1) + "\u00e9"
    body = head + text.encode() + b'"}'
    assert json.loads(bytes(decode_body(DECODER, body).raw["later"])) == text


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_decoded(body: bytes) -> None:
    with suppress(InvalidRequest):
        decode_body(DECODER, body)


def test_a_body_built_in_code_gives_its_fields_too() -> None:
    request = ChatRequest(model="m", messages=[], temperature=0.5)
    assert {name: bytes(value) for name, value in request.fields().items()} == {
        "model": b'"m"',
        "messages": b"[]",
        "temperature": b"0.5",
    }
