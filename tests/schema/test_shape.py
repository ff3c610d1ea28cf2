"""The numbers of what a body holds, counted without decoding it."""

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schema.chat import ChatRequest
from schema.embeddings import EmbeddingsRequest
from schema.errors.requests import InvalidRequest
from schema.shape import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_FIELDS,
    MAX_NAME_CHARS,
    MAX_NESTED,
    MAX_PARTS,
    MAX_TEXTS,
    MAX_TOP_FIELDS,
    MAX_VALUES,
    Counts,
)
from schema.wire import _NAME, decode_body

CHAT = msgspec.json.Decoder(ChatRequest)
EMBEDDINGS = msgspec.json.Decoder(EmbeddingsRequest)
USER = {"role": "user", "content": "hi"}


def chat_of(content: Any = "hi", **fields: Any) -> bytes:
    messages = [{"role": "user", "content": content}]
    return json.dumps({"model": "m", "messages": messages, **fields}).encode()


def refusal(body: bytes, decoder: "msgspec.json.Decoder[Any]" = CHAT) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode_body(decoder, body)
    assert (caught.value.http_status, caught.value.reason) == (400, "request_too_complex")
    return caught.value.message


def expected(value: Any) -> tuple[int, int, int, int]:
    """Fields, commas, texts, and objects and lists of a decoded value."""
    if isinstance(value, str):
        return 0, 0, 1, 0
    if not isinstance(value, (dict, list)):
        return 0, 0, 0, 0
    inner = list(value.values()) if isinstance(value, dict) else value
    own = len(value) if isinstance(value, dict) else 0
    sums = [sum(column) for column in zip(*map(expected, inner), strict=True)] or [0, 0, 0, 0]
    return sums[0] + own, sums[1] + max(0, len(value) - 1), sums[2] + own, sums[3] + 1


TRICKY = st.text(st.sampled_from('\\"{}[],: \n\u00e9\u20ac\U0001f600ab'), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TRICKY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TRICKY, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
@example(["\\", '"', '\\"', "\\\\"], 1, True, None)
@settings(max_examples=400)
def test_counts_are_those_of_the_value_wherever_it_is_cut(
    value: Any, cut: int, escapes: bool, indent: int | None
) -> None:
    body = json.dumps(value, ensure_ascii=escapes, indent=indent).encode()
    counts = Counts()
    for start in range(0, len(body), cut):
        counts.take(body[start : start + cut])
    assert (counts.fields, counts.values, counts.quotes // 2, counts.nested) == expected(value)
    assert (counts.depth, counts.quotes % 2) == (0, 0)


def nested(depth: int, opens: str = "[", closes: str = "]") -> bytes:
    return (
        b'{"model":"m","messages":[],"x":'
        + (opens * (depth - 1) + "1" + closes * (depth - 1)).encode()
        + b"}"
    )


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}"), ("[ ", "\n]"), ('[{"[":', "}]")])
def test_a_body_is_so_deep_at_most(opens: str, closes: str) -> None:
    levels = opens.count("[") - opens.count('"[') + opens.count("{")
    decode_body(CHAT, nested(MAX_DEPTH // levels, opens, closes))
    assert "400 levels" in refusal(nested(MAX_DEPTH // levels + 2, opens, closes))


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_a_body_of_any_depth_is_refused(depth: int) -> None:
    refusal(nested(depth))
    refusal(b"[" * depth)


LIMITS: list[tuple[str, Callable[[int], bytes], int]] = [
    ("fields", lambda n: chat_of(x=[{f"k{i}": 1 for i in range(n - 5)}]), MAX_FIELDS),
    ("values", lambda n: chat_of(x=[1] * (n - 2)), MAX_VALUES),
    ("texts", lambda n: chat_of(x=[""] * (n - 8)), MAX_TEXTS),
    ("objects and lists", lambda n: chat_of(x=[[]] * (n - 4)), MAX_NESTED),
    ("fields at its top", lambda n: chat_of(**{f"k{i}": 1 for i in range(n - 2)}), MAX_TOP_FIELDS),
    ("characters in the name of a field", lambda n: chat_of(**{"a" * n: 1}), MAX_NAME_CHARS),
    (
        "messages",
        lambda n: json.dumps({"model": "m", "messages": [USER] * n}).encode(),
        MAX_ELEMENTS["messages"],
    ),
    (
        "tools",
        lambda n: chat_of(tools=[{"type": "function", "function": {"name": "f"}}] * n),
        MAX_ELEMENTS["tools"],
    ),
    ("parts of messages", lambda n: chat_of([{"type": "text", "text": "a"}] * n), MAX_PARTS),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make", "limit"), LIMITS, ids=[each[0] for each in LIMITS])
def test_a_limit_is_named_and_what_is_within_it_passes(
    what: str, make: Callable[[int], bytes], limit: int
) -> None:
    decode_body(CHAT, make(limit))
    assert f"more than {limit:,} {what}" in refusal(make(limit + 2))


@pytest.mark.parametrize("character", ["a", "\u20ac", '\\"', "\\\\", "\n"])
def test_a_long_name_is_refused_before_its_body_is_walked_through(character: str) -> None:
    body = chat_of(**{character * 400_000: 1})
    tracemalloc.start()
    try:
        told = refusal(body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(told) < 200
    assert most < 4 * len(body)


def test_names_are_matched_without_a_state_for_each_character() -> None:
    name = b'{"' + b"a\\u0062" * 100_000 + b'":'
    tracemalloc.start()
    try:
        assert _NAME.match(name) is not None
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < len(name)


def test_parts_are_counted_over_all_messages() -> None:
    parts = [{"type": "text", "text": "a"}] * (MAX_PARTS // 4)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}] * 5}).encode()
    assert "parts of messages" in refusal(body)


PROMPTS = ["{", "[", ",", ":", '"', "\\", '\\"', '{"a":[', "\\\\", '"}],{"', "\u00e9{", "\n\t{"]


@pytest.mark.parametrize("piece", PROMPTS)
def test_a_prompt_may_be_full_of_whatever_json_is_made_of(piece: str) -> None:
    text = piece * 1_200_000
    for body in (chat_of(text), chat_of([{"type": "text", "text": text}])):
        assert decode_body(CHAT, body).model == "m"
    many = [piece * 100] * 2_048
    request = decode_body(EMBEDDINGS, json.dumps({"model": "m", "input": many}).encode())
    assert len(request.input) == 2_048


def test_tokens_of_an_embedding_are_no_fields() -> None:
    tokens = [[7] * 8_000] * 50
    decode_body(EMBEDDINGS, json.dumps({"model": "m", "input": tokens}).encode())


BROKEN = [
    b'"',
    b'{"a',
    b'{"a":"\\',
    b'{"model":"m","messages":["',
    b"\\" * 700_000,
    b'"' * 700_000,
    b"\xff" * 700_000,
]


@pytest.mark.parametrize("body", [*BROKEN, *(each + b"[" * 600 for each in BROKEN)])
def test_what_is_no_json_is_refused_all_the_same(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_body(CHAT, body)


def test_two_million_fields_are_refused_before_anything_is_made_of_them() -> None:
    members = ",".join(f'"k{i}":1' for i in range(2_000_000))
    for body in (f"{{{members}}}", f'{{"model":"m","messages":[{{"role":"user","content":{{{members}}}}}]}}'):
        began = time.perf_counter()
        assert "100,000 fields" in refusal(body.encode())
        assert time.perf_counter() - began < 2.0, "4 s where they are decoded"
