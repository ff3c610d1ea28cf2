"""Tags and sessions: where they are read from, and what is refused."""

import json

import msgspec
import pytest

from schema.errors.requests import InvalidRequest
from schema.labels import (
    MAX_TAGS,
    NONE,
    Labels,
    agent_tags,
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


def test_a_trace_is_kept_beside_its_session_and_is_the_session_where_there_is_none() -> None:
    headers = {"x-litellm-trace-id": "t1"}
    body = fields(litellm_trace_id="t2", metadata={"trace_id": "t3"}, litellm_metadata={"trace_id": "t4"})
    assert labels_of(headers, body)[1:3] == ("t1", "t1")
    assert labels_of({}, body)[1:3] == ("t2", "t2")
    assert labels_of({}, fields(metadata={"trace_id": "t3", "session_id": "s"}))[1:3] == ("s", "t3")
    assert labels_of({}, fields(litellm_metadata={"trace_id": "t4"}))[1:3] == ("t4", "t4")
    assert labels_of({}, fields(litellm_trace_id=None)) is NONE
    for unfit in ({"litellm_trace_id": 7}, {"litellm_trace_id": "nul\0"}):
        with pytest.raises(InvalidRequest, match="litellm_trace_id"):
            labels_of({}, fields(**unfit))


def test_a_clients_own_session_header_counts_where_litellms_says_nothing() -> None:
    own = {"x-claude-code-session-id": "mine", "session-id": "no", "x-session": "no"}
    assert labels_of(own, {}).session_id == "mine"
    assert labels_of(own | {"x-litellm-session-id": "s"}, {}).session_id == "s"
    assert labels_of(own, fields(metadata={"session_id": "s"})).session_id == "s"
    assert labels_of(own | {"x-litellm-trace-id": "t"}, {}).session_id == "mine"
    assert labels_of({"x-codex-session-id": "x" * 300}, {}) is NONE, "it is not ours to refuse"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"run": 7, "of": ["a", {"b": None}]}, '{"run":7,"of":["a",{"b":null}]}'),
        ("a text", '"a text"'),
        ([], "[]"),
        (False, "false"),
        ({"nul\0": "nul\0"}, '{"nul\ufffd":"nul\ufffd"}'),
        (None, ""),
    ],
)
def test_what_a_client_wants_to_find_in_the_row_is_kept_whatever_it_is(value: object, kept: str) -> None:
    for name in ("metadata", "litellm_metadata"):
        assert labels_of({}, fields(**{name: {"spend_logs_metadata": value}})).kept == kept
    header = {"x-litellm-spend-logs-metadata": msgspec.json.encode(value).decode()}
    assert labels_of(header, {}).kept == kept
    if kept:
        other = fields(metadata={"spend_logs_metadata": {"other": 1}})
        assert labels_of(header, other).kept == kept, "the header goes first"


@pytest.mark.parametrize(
    "raw_value",
    [b'{"a":"' + b"x" * 9_000 + b'"}', rb'"\ud800"', b"1e999", b"[" * 5_000 + b"]" * 5_000, b"{oops"],
)
def test_what_a_row_cannot_hold_is_refused_by_name(raw_value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-litellm-spend-logs-metadata"):
        labels_of({"x-litellm-spend-logs-metadata": raw_value.decode()}, {})


@pytest.mark.parametrize(
    ("agent", "tags"),
    [
        ("OpenAI/Python 1.2", ("User-Agent: OpenAI", "User-Agent: OpenAI/Python 1.2")),
        ("claude-cli/2.0 (cli)", ("User-Agent: claude-cli", "User-Agent: claude-cli/2.0 (cli)")),
        ("curl", ("User-Agent: curl",)),
        ("/odd", ("User-Agent: /odd",)),
        ("nul\0", ()),
        ("", ()),
        (None, ()),
        ("x" * 200, ("User-Agent: " + "x" * 200,)),
    ],
)  # fmt: skip
def test_a_call_is_tagged_with_the_program_that_made_it(agent: str | None, tags: tuple[str, ...]) -> None:
    assert agent_tags(agent) == tags


PLACES: list[tuple[dict[str, str], dict[str, object]]] = [
    ({"x-litellm-customer-id": "NAME"}, {}),
    ({"x-litellm-end-user-id": "NAME"}, {}),
    ({"x-shop-user": "NAME"}, {}),
    ({}, {"user": "NAME"}),
    ({}, {"metadata": {"user_id": "NAME"}}),
    ({}, {"litellm_metadata": {"user": "NAME"}}),
]
"""The places where a call names its customer, the first one first."""


def place(number: int, name: str) -> tuple[dict[str, str], dict[str, msgspec.Raw]]:
    headers, body = PLACES[number]
    named = msgspec.json.decode(msgspec.json.encode(body).replace(b"NAME", name.encode()))
    return dict.fromkeys(headers, name), fields(**named)


@pytest.mark.parametrize("name", ["metadata", "litellm_metadata"])
def test_metadata_may_be_a_text_of_json(name: str) -> None:
    """As forms send it: the customer's budget and block would not hold if it were passed over."""
    who = "user_id" if name == "metadata" else "user"
    inside = {who: "carl", "tags": ["a"], "session_id": "s", "trace_id": "t", "spend_logs_metadata": {"k": 1}}
    sent = fields(**{name: json.dumps(inside)})
    assert labels_of({}, sent) == labels_of({}, fields(**{name: inside}))
    assert labels_of({}, sent).customer == "carl"
    for odd in ("", "carl", "[1]", "{", '"x"', "null", '{"tags": null}'):
        assert labels_of({}, fields(**{name: odd})).customer is None


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_a_customer_is_named_in_each_of_its_places(number: int) -> None:
    headers, body = place(number, "carl")
    assert labels_of(headers, body, ("x-shop-user",)).customer == "carl"


def test_a_customer_that_is_named_twice_is_the_same_one() -> None:
    for first in range(len(PLACES)):
        for second in range(first + 1, len(PLACES)):
            (head, body), (more_head, more_body) = place(first, "carl"), place(second, "carl")
            assert labels_of(head | more_head, body | more_body, ("x-shop-user",)).customer == "carl"
            (more_head, more_body) = place(second, "cleo")
            with pytest.raises(InvalidRequest, match="another customer") as refused:
                labels_of(head | more_head, body | more_body, ("x-shop-user",))
            header, named = PLACES[second]
            assert str(refused.value.param).partition(".")[0] in (*header, *named)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-litellm-customer-id": ""}, {"user": None}),
        ({"x-shop-user": "carl"}, {}),
        ({}, {"user": "", "metadata": {"user_id": None}}),
        ({}, {"metadata": {"user_id": {"id": "carl"}}, "litellm_metadata": {"user": True}}),
        ({}, {"metadata": {"user": "carl"}}),
    ],
)
def test_what_names_nobody_is_no_customer(headers: dict[str, str], body: dict[str, object]) -> None:
    assert labels_of(headers, fields(**body)).customer is None


def test_a_customer_may_be_a_number() -> None:
    assert labels_of({"x-litellm-customer-id": "7"}, fields(metadata={"user_id": 7})).customer == "7"
