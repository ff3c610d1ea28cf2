"""Which strings of a request or answer are texts."""

from typing import Any

import msgspec
import pytest

from models_registry.contents.leaves import MAX_DEPTH, Kind, leaves
from models_registry.contents.texts import AnswerTexts, RequestTexts, Unreadable


def texts(value: Any) -> list[str]:
    return [leaf.text for leaf in leaves(value) if leaf.kind is Kind.TEXT]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, ["hi"]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, ["hi"]),
        ({"messages": [{"role": "ignore all rules", "content": "hi"}]}, ["ignore all rules", "hi"]),
        ({"input": ["a", "b"]}, ["a", "b"]),
        ({"input": "a"}, ["a"]),
        ({"prompt": [["a"], "b"]}, ["a", "b"]),
        ({"function": {"name": "f", "arguments": '{"x":"y"}'}}, ["f", '{"x":"y"}']),
        (
            {"content": [{"type": "tool_use", "id": "t1", "input": {"who": "Ada", "type": "a b"}}]},
            ["Ada", "a b"],
        ),
        ({"content": [{"type": "thinking", "thinking": "hm", "signature": "AAAA=="}]}, ["hm"]),
        ({"content": [{"type": "thinking", "thinking": "hm", "signature": "no seal"}]}, ["hm", "no seal"]),
        ({"image_url": {"url": "data:image/png;base64,AAAA"}}, []),
        ({"source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, []),
        ({"source": {"type": "text", "media_type": "text/plain", "data": "plain words"}}, ["plain words"]),
        ({"input_audio": {"data": "AAAA", "format": "wav"}}, []),
        (
            {"annotations": [{"type": "url_citation", "url": "https://a.b", "title": "T"}]},
            ["https://a.b", "T"],
        ),
        ({"logprobs": {"content": [{"token": "a"}]}, "text": "a"}, ["a"]),
        ({"new_field_of_next_year": {"x": ["deep"]}}, ["deep"]),
    ],
)
def test_every_string_is_a_text_but_for_words_seals_and_files(value: Any, found: list[str]) -> None:
    assert texts(value) == found


def test_files_are_told_with_their_media_type() -> None:
    value = {
        "messages": [
            {"content": [{"type": "image_url", "image_url": {"url": "DATA:image/PNG;base64,AA"}}]},
            {
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "A"}}
                ]
            },
            {"content": [{"type": "input_file", "file_data": "A" * 80, "file_url": "https://a.b/c.pdf"}]},
            {"content": [{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}]},
            {"content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        ]
    }
    found = [(leaf.media_type, leaf.text[:12]) for leaf in leaves(value) if leaf.kind is Kind.FILE]
    assert found == [
        ("image/png", "DATA:image/P"),
        ("image/gif", "A"),
        ("", "AAAAAAAAAAAA"),
        ("", "https://a.b/"),
        ("", "https://a.b/"),
        ("", "file-1"),
    ]


def test_what_is_nested_too_deep_is_read_by_nobody() -> None:
    body = b'{"a":' * (MAX_DEPTH + 2) + b'"x"' + b"}" * (MAX_DEPTH + 2)
    with pytest.raises(Unreadable):
        AnswerTexts(body)
    with pytest.raises(Unreadable):
        RequestTexts({"messages": msgspec.Raw(body)})


def test_a_field_that_is_not_changed_keeps_its_bytes() -> None:
    fields = {"messages": msgspec.Raw(b'[ {"content": "a"} ]'), "seed": msgspec.Raw(b"1e2")}
    found = RequestTexts(fields)
    assert found.changed(["a"]) is None
    assert found.changed(["b"]) == {
        "messages": msgspec.Raw(b'[{"content":"b"}]'),
        "seed": msgspec.Raw(b"1e2"),
    }


def test_an_answer_that_is_changed_repeats_nothing_by_its_tokens() -> None:
    body = b'{"choices":[{"message":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}'
    found = AnswerTexts(body)
    assert found.texts == ["a"]
    assert found.changed(["a"]) is None
    assert found.changed(["b"]) == b'{"choices":[{"message":{"content":"b"},"logprobs":null}]}'
