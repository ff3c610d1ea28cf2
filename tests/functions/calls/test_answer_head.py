import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.calls.answer_head import StreamHead, id_of, with_model
from models_registry.turns.stream import Broken
from schema.chat import ChatCompletion
from schema.embeddings import EmbeddingList
from schema.errors.upstream import UpstreamCut
from schema.messages import MessagesAnswer
from schema.wire import with_body

OURS = "team/gpt"
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def whole(body: bytes) -> ChatCompletion:
    return with_body(ChatCompletion(choices=[]), body)


@pytest.mark.parametrize("spelled", ['"model":"gpt-4o-2024-08-06"', '"model": "gpt-4o-2024-08-06"'])
def test_a_whole_answer_calls_its_model_as_the_caller_does_and_is_else_as_it_came(spelled: str) -> None:
    body = '{"id":"a",%s,"choices":[{"x": [1 , 2],"n":1.50}]}'
    answer = with_model(whole((body % spelled).encode()), OURS)
    assert answer.wire.decode() == body % spelled.replace("gpt-4o-2024-08-06", OURS)


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "tool_use", "id": "t", "name": "ask", "input": {"model": "claude-9"}}],
        [{"type": "text", "text": '"model":"claude-9"'}],
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_model_says_of_models_stays(content: list[Any], first: bool) -> None:
    head, tail = {"model": "claude-9"}, {"content": content}
    fields = {**head, **tail} if first else {**tail, **head}
    answer = with_model(with_body(MessagesAnswer(content=[]), json.dumps(fields).encode()), OURS)
    assert json.loads(answer.wire) == {**fields, "model": OURS}


@given(theirs=NAMES, ours=NAMES, more=st.dictionaries(NAMES, NAMES), ascii_only=st.booleans())
def test_a_name_of_any_characters_is_exchanged(
    theirs: str, ours: str, more: dict[str, str], ascii_only: bool
) -> None:
    fields = {**more, "model": theirs, "choices": []}
    answer = with_model(whole(json.dumps(fields, ensure_ascii=ascii_only).encode()), ours)
    assert json.loads(answer.wire) == {**fields, "model": ours}


def test_an_answer_that_was_built_here_is_renamed_too() -> None:
    assert with_model(EmbeddingList(data=[], model="nomic"), OURS).model == OURS


@pytest.mark.parametrize(
    "body", [b'{"choices":[]}', b'{"model":null,"choices":[]}', b'{"model":"","x":1}', b"[1]", b"\xff"]
)
def test_an_answer_that_names_no_model_stays_as_it_is(body: bytes) -> None:
    assert with_model(whole(body), OURS).wire == body
    assert id_of(whole(body)) is None


def event(**fields: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(fields, separators=(",", ":")).encode()


def test_every_chunk_of_a_stream_has_the_name_also_where_the_first_has_none() -> None:
    """Azure's first event has an empty name."""
    head = StreamHead(OURS)
    blank = event(id="", model="", choices=[])
    chunk = event(id="c", model="gpt-4o-2024-08-06", choices=[{"delta": {"content": "hi"}}])
    assert head.told(blank) == blank
    wanted = chunk.replace(b"gpt-4o-2024-08-06", OURS.encode())
    assert head.told(chunk + chunk) == wanted + wanted
    assert head.told(chunk) == wanted
    assert head.id == "c"
    broken = Broken.of(UpstreamCut("cut"), ahead=chunk)
    told = head.told(broken)
    assert isinstance(told, Broken)
    assert (told.ahead, told.failure) == (wanted, broken.failure)


def test_in_messages_the_model_stands_once_and_what_looks_like_it_is_the_models_own() -> None:
    head = StreamHead(OURS)
    start = event(type="message_start", message={"id": "m", "model": "claude-9", "content": []})
    block = event(
        type="content_block_start", content_block={"type": "server_tool_use", "input": {"model": "claude-9"}}
    )
    assert head.told(start + block) == start.replace(b"claude-9", OURS.encode()) + block
    assert head.told(block) == block
    assert head.id == "m"


def test_all_events_of_responses_that_hold_the_response_have_the_name() -> None:
    head = StreamHead(OURS)
    for kind in ("response.created", "response.completed"):
        data = event(type=kind, response={"id": "r", "model": "gpt-5-2025", "output": []})
        assert head.told(data) == data.replace(b"gpt-5-2025", OURS.encode())
    assert head.id == "r"


def test_the_search_for_a_name_ends() -> None:
    head = StreamHead(OURS)
    nameless = event(choices=[])
    for _ in range(20):
        assert head.told(nameless) == nameless
    late = event(id="late", model="gpt-4o", choices=[])
    assert head.told(late) == late
    assert head.id is None


def test_without_a_name_of_ours_the_providers_stays() -> None:
    chunk = event(id="c", model="gpt-4o-2024-08-06", choices=[])
    assert StreamHead().told(chunk) == chunk
    assert with_model(whole(b'{"model":"x"}'), "").wire == b'{"model":"x"}'


def test_a_model_of_the_same_name_changes_nothing() -> None:
    body = msgspec.json.encode({"model": OURS, "choices": []})
    assert with_model(whole(body), OURS).wire is body


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o","choices":[{"logprob":-Infinity,"kind":"model"}]}',
        b'{"model" :"gpt-4o","choices":[NaN]}',
    ],
)
def test_an_answer_that_no_reader_takes_is_sent_as_it_came(body: bytes) -> None:
    """It was paid for: a name is no reason to lose it."""
    answer = with_body(ChatCompletion(choices=[], model="gpt-4o"), body)
    assert with_model(answer, OURS).wire == body
