import json
from typing import Any  # JSON as a client writes it

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.input import WORD_CHARS, MessageText, is_text_alone, text_of
from models_registry.dialects import Dialect
from schema.chat import ChatRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import target

_CHAT = msgspec.json.Decoder(ChatRequest)
TEXTS = st.text(max_size=40)
PARTS = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}, optional={"more": TEXTS}), max_size=3
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]) | TEXTS, "content": TEXTS | PARTS | st.none()},
        optional={"name": TEXTS, "more": TEXTS, "refusal": TEXTS},
    ),
    max_size=4,
)


def decode(messages: Any, **form: Any) -> ChatRequest:
    body = json.dumps({"model": "m", "messages": messages}, **form)
    return decode_body(_CHAT, body.encode("utf-8", "surrogatepass"))


def measured(request: ChatRequest) -> MessageText:
    return text_of(request.messages, request.raw["messages"])


def plain(request: ChatRequest) -> bool:
    return is_text_alone(request.messages, request.raw["messages"], measured(request))


COMPACT: Any = (",", ":")
FORMS = st.fixed_dictionaries(
    {"separators": st.sampled_from([None, COMPACT]), "indent": st.none() | st.integers(0, 3)},
    optional={"ensure_ascii": st.just(False)},
)


def utf8(value: Any, name: str = "") -> int:
    """Bytes of all text that is not a role or a kind that everybody knows."""
    if isinstance(value, str):
        known = name in ("role", "type") and value in ("user", "assistant", "text")
        return 0 if known else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return sum(utf8(inner, name) for name, inner in value.items())
    return sum(map(utf8, value)) if isinstance(value, list) else 0


@given(MESSAGES, st.booleans(), st.sampled_from([None, (",", ":")]))
def test_the_bound_is_above_the_utf8_of_all_text_however_it_is_written(
    messages: Any, ascii_only: bool, separators: Any
) -> None:
    found = measured(decode(messages, ensure_ascii=ascii_only, separators=separators))
    assert found.max_bytes + WORD_CHARS * len(messages) >= utf8(messages)


@given(MESSAGES, FORMS)
def test_messages_are_plain_only_where_nothing_else_was_sent(messages: Any, form: Any) -> None:
    expected = all(
        each.keys() == {"role", "content"} and isinstance(each["content"], str) for each in messages
    )
    assert expected or not plain(decode(messages, **form))


@pytest.mark.parametrize("form", [{}, {"separators": (",", ":")}, {"indent": 2}])
def test_texts_are_known_to_be_plain_however_their_json_is_laid_out(form: Any) -> None:
    said = [{"role": "system", "content": "Réponds { vite } : 1"}, {"role": "user", "content": "Sí, 你好"}]
    assert plain(decode(said, ensure_ascii=False, **form))
    assert not plain(decode([*said, {"role": "user", "content": "x", "a": 1}], ensure_ascii=False, **form))


def test_plain_english_is_known_to_be_plain_with_its_quotes_and_line_ends() -> None:
    said = [{"role": "user", "content": 'He said "hi".\n\tAnd went.'}, {"role": "assistant", "content": "Oh"}]
    request = decode(said, separators=COMPACT)
    assert plain(request)
    assert (
        measured(request).max_bytes == len(said[0]["content"]) + 2 + 4
    )  # four characters are written with a backslash


def test_no_backslashes_make_an_unknown_field_look_like_text() -> None:
    """A field of n bytes, and n escapes that count two backslashes each."""
    for count in range(60):
        said = [{"role": "user", "content": "\\" * count + "\n" * 7, "audio": {"id": "x"}}]
        assert not plain(decode(said, separators=COMPACT))
        hidden = [{"role": "user", "content": "\n" * count, "audio": {"id": "\\" * 30}}]
        assert not plain(decode(hidden, separators=COMPACT))


def test_a_field_that_stands_twice_counts_twice() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"%s","content":"b"}]}' % (b"a" * 500)
    request = decode_body(_CHAT, body)
    assert measured(request).max_bytes > 500
    assert not plain(request)


@pytest.mark.parametrize("hidden", [',"audio":{"id":"a"}', ',"video":1', ',"images":["AAAA"]'])
def test_backslashes_in_roles_hide_no_field(hidden: str) -> None:
    """JSON makes two of each, so that together they stand for the bytes of a field."""
    for room in (8, 1):
        sizes = [room] * (len(hidden) // room) + [len(hidden) % room]
        roles = ",".join('{"role":"' + "\\\\" * size + '","content":""}' for size in sizes if size)
        messages = "[" + roles + ',{"role":"user","content":"x"' + hidden + "}]"
        request = decode_body(_CHAT, ('{"model":"m","messages":' + messages + "}").encode())
        assert not plain(request)
        found = ChatBounds(request, target(Dialect.OPENAI)).unbounded_field()
        assert found is not None
        assert found.path.startswith(f"messages[{len(request.messages) - 1}].")
