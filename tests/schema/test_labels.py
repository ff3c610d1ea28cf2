"""Tags and sessions: where they are read from, and what is refused."""

import msgspec
import pytest

from schema.errors import InvalidRequest
from schema.labels import (
    MAX_TAGS,
    NONE,
    Labels,
    labels_of,
    stored_tags,
    stored_texts,
    together,
)


def fields(**values: object) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}


def test_tags_come_from_the_header_the_body_and_its_metadata_each_once() -> None:
    labels = labels_of(
        {"x-litellm-tags": "a, b,,a", "x-litellm-session-id": "s1"},
        fields(metadata={"tags": ["c", "b"]}, litellm_metadata={"tags": ["d"]}, tags=["e"], model="gpt"),
    )
    assert labels == Labels(("a", "b", "c", "d", "e"), "s1")


def test_tags_are_found_however_their_name_is_spelt() -> None:
    assert labels_of({}, {"metadata": msgspec.Raw(rb'{"t\u0061gs":["a"]}')}).tags == ("a",)


def test_a_session_comes_from_the_header_or_else_the_body() -> None:
    assert labels_of({}, fields(litellm_session_id="s2")) == Labels((), "s2")
    headers = {"x-litellm-session-id": "s1"}
    assert labels_of(headers, fields(litellm_session_id="s2")).session_id == "s1"


@pytest.mark.parametrize(
    "body",
    [{}, {"metadata": {"tags": "texts are OpenAI's"}}, {"metadata": "no object"}, {"tags": None},
     {"metadata": None}, {"metadata": {"tags": None}}, {"litellm_session_id": None}],
)  # fmt: skip
def test_what_labels_nothing_costs_nothing(body: dict[str, object]) -> None:
    assert labels_of({}, fields(**body)) is NONE


@pytest.mark.parametrize(
    ("headers", "body", "param"),
    [
        ({"x-litellm-tags": "x" * 257}, {}, "x-litellm-tags"),
        ({"x-litellm-session-id": ""}, {}, "x-litellm-session-id"),
        ({}, {"metadata": {"tags": [1]}}, "metadata.tags"),
        ({}, {"metadata": {"tags": ["nul\0"]}}, "metadata.tags"),
        ({}, {"litellm_metadata": {"tags": [""]}}, "litellm_metadata.tags"),
        ({}, {"tags": "a"}, "tags"),
        ({}, {"tags": [f"t{n}" for n in range(MAX_TAGS + 1)]}, "tags"),
        ({}, {"litellm_session_id": 7}, "litellm_session_id"),
    ],
)
def test_a_label_that_cannot_be_kept_is_refused_by_name(
    headers: dict[str, str], body: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        labels_of(headers, fields(**body))
    assert refused.value.param == param


def test_tags_that_sql_wrote_as_something_else_label_nothing() -> None:
    for stored, tags in (
        (b'["a","b"]', ("a", "b")), (b'"a"', ()), (b"{}", ()), (b"[1]", ()), (b'["a",""]', ("a",)),
    ):  # fmt: skip
        assert stored_tags(msgspec.Raw(stored)) == tags


def test_more_tags_than_a_row_holds_are_the_first_hundred() -> None:
    assert len(together((f"a{n}" for n in range(70)), (f"b{n}" for n in range(70)))) == MAX_TAGS


@pytest.mark.parametrize("field", ["metadata", "litellm_metadata"])
def test_a_session_or_trace_in_metadata_is_the_session_where_nothing_else_says_one(field: str) -> None:
    def session(**metadata: object) -> str | None:
        return labels_of({}, fields(**{field: metadata})).session_id

    assert session(session_id="s", trace_id="t") == "s"
    assert session(trace_id="t") == "t"
    assert session(session_id=7, trace_id="t") == "t"
    for unfit in (7, None, "", "x" * 257, "nul\0", ["s"], {"a": 1}):
        assert session(session_id=unfit) is None
    body = fields(litellm_session_id="own", **{field: {"session_id": "s"}})
    assert labels_of({}, body).session_id == "own"
    assert labels_of({"x-litellm-session-id": "head"}, body).session_id == "head"


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def test_what_is_stored_with_an_answer_are_texts_as_many_and_as_long_as_openai_takes() -> None:
    def stored(metadata: object) -> object:
        found = stored_texts(raw(metadata))
        return None if found is None else msgspec.json.decode(found)

    mixed = {"trace_id": "t", "tags": ["a"], "user": {"id": 1}, "n": 7, "none": None, "on": True}
    assert stored(mixed) == {"trace_id": "t"}
    assert stored({f"k{n}": "v" for n in range(40)}) == {f"k{n}": "v" for n in range(16)}
    assert stored({"k" * 64: "v" * 512}) == {"k" * 64: "v" * 512}
    assert stored({"k" * 65: "v", "long": "v" * 513, "umlauts": "\u00fc" * 512}) == {
        "umlauts": "\u00fc" * 512
    }
    empty: tuple[object, ...] = ({}, [], "text", 7, None, {"a": 1})
    for nothing in empty:
        assert stored(nothing) is None
