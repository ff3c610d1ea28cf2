"""Answers and streams that break, and look whole at first sight."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.turns.sse import DONE
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamError, UpstreamMalformed
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_all_ways
from tests.models_registry.backends.making import FACTS, KEY, chat, embeddings, target
from tests.models_registry.backends.openai.test_stream import ROLE, STOP, TEXT, USAGE, event, piece

CUTS = st.lists(st.integers(0), max_size=6)
EMPTY_FINISH = piece({"content": "."}, "")


def fed(data: bytes, dialect: Dialect = Dialect.OPENAI, *, choices: int = 1, at: Any = ()) -> Outcome:
    request = chat(stream=True, n=choices) if choices > 1 else chat(stream=True)
    return feed_all_ways(lambda: chat_stream(request, target(dialect), FACTS), data, at)


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@pytest.mark.parametrize(
    "data",
    [
        ROLE + TEXT + EMPTY_FINISH,
        ROLE + TEXT + EMPTY_FINISH + DONE,
        ROLE + TEXT + DONE,
        ROLE + TEXT + event({"choices": [], "usage": USAGE}) + DONE,
        ROLE + piece({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}) + DONE,
        ROLE + piece({"reasoning_content": "hm"}) + DONE,
        ROLE + piece({"content": ["odd"]}) + DONE,
        ROLE + DONE,
    ],
)
@given(at=CUTS)
def test_an_answer_without_a_finish_reason_is_cut(data: bytes, at: list[int]) -> None:
    found = fed(data, at=at)
    assert isinstance(found.error, UpstreamCut)
    assert not found.done
    assert b"[DONE]" not in found.out
    assert found.out.startswith(ROLE)


def test_each_choice_needs_its_own_finish_reason() -> None:
    second = piece({"content": "b"}, index=1)
    found = fed(ROLE + TEXT + second + STOP + DONE, choices=2)
    assert isinstance(found.error, UpstreamCut)
    both = fed(ROLE + TEXT + second + STOP + piece({}, "length", index=1) + DONE, choices=2)
    assert (both.error, both.done) == (None, True)


@pytest.mark.parametrize("text", ['"finish_reason":"stop"', '"finish_reason":""'])
def test_a_text_that_speaks_of_finish_reasons_is_text(text: str) -> None:
    assert isinstance(fed(ROLE + piece({"content": text}) + DONE).error, UpstreamCut)
    found = fed(ROLE + piece({"content": text}) + STOP + DONE)
    assert (found.error, found.done) == (None, True)


def test_a_delta_of_another_shape_may_end_the_answer() -> None:
    data = ROLE + piece({"content": ["odd"]}) + piece({"content": ["end"]}, "stop") + DONE
    found = fed(data)
    assert (found.error, found.out) == (None, data)


def test_an_answer_that_the_provider_counted_and_that_has_no_word_is_an_answer() -> None:
    """OpenRouter ends such a stream without a finish reason."""
    none = USAGE | {"completion_tokens": 0}
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    found = fed(event({"choices": [choice], "usage": none}) + DONE)
    assert (found.error, found.done) == (None, True)


@pytest.mark.parametrize(
    "data",
    [
        event({"choices": []}) + DONE,
        event({"id": "c1", "choices": [], "usage": USAGE}) + DONE,
        event({"type": "ping"}) + DONE,
        event({"choices": []}) * 3 + DONE,
    ],
)
def test_a_stream_without_one_choice_is_malformed(data: bytes) -> None:
    found = fed(data)
    assert isinstance(found.error, UpstreamMalformed)
    assert b"[DONE]" not in found.out


ERRORS = [
    ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, 400),
    ({"object": "error", "message": "too long", "code": "400"}, 400),
    ({"detail": "too long", "status_code": 422}, 422),
    ({"detail": [{"loc": ["body"], "msg": "too long"}]}, 502),
    ({"errors": [{"message": "too long", "code": 400}]}, 400),
    ({"errors": ["too long"]}, 502),
    ({"message": "too long", "status": 429}, 429),
    ({"type": "error", "message": "too long", "code": "rate_limit_exceeded"}, 429),
    ({"error": {"message": "too long", "code": "content_filter", "status": 400}}, 400),
    ({"error": {"message": "too long", "code": "content_filter"}}, 400),
    ({"error": {"message": "too long", "type": "invalid_request_error"}, "status": 400}, 400),
    ({"error": "too long", "code": 418}, 418),
    ({"error": {"message": "too long", "status": "RESOURCE_EXHAUSTED"}}, 429),
    ({"error": {"message": "too long", "code": 599}}, 502),
]


@pytest.mark.parametrize(("body", "status"), ERRORS)
def test_an_error_in_a_200_has_its_own_status(body: dict[str, object], status: int) -> None:
    for data in (ROLE + TEXT + event(body), ROLE + TEXT + event(body) + STOP + DONE):
        found = fed(data)
        assert isinstance(found.error, ProviderError)
        assert found.error.http_status == status
        assert found.out == ROLE + TEXT
        assert "too long" in (found.error.message if status < 500 else found.error.said)
    first = fed(event(body))
    assert (first.out, first.error is not None and first.error.http_status) == (b"", status)
    bare = fed(json.dumps(body).encode())
    assert bare.error is not None
    assert bare.error.http_status == status
    for dialect in Dialect:
        with pytest.raises(ProviderError) as caught:
            chat_answer(json.dumps(body).encode(), chat(), target(dialect), FACTS)
        assert caught.value.http_status == status
    for dialect in (Dialect.OPENAI, Dialect.OLLAMA):
        with pytest.raises(ProviderError) as caught:
            BACKENDS[dialect].embeddings_response(
                json.dumps(body).encode(), embeddings(), target(dialect), FACTS
            )
        assert caught.value.http_status == status


@pytest.mark.parametrize(("body", "status"), ERRORS)
def test_other_dialects_tell_an_error_in_mid_stream_with_its_status(
    body: dict[str, object], status: int
) -> None:
    line = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False}
    ollama = fed(lines(line, body), Dialect.OLLAMA)
    start = {"type": "message_start", "message": {"id": "m", "content": []}}
    anthropic = fed(event(start) + event(body), Dialect.ANTHROPIC)
    for found in (ollama, anthropic):
        assert isinstance(found.error, ProviderError)
        assert found.error.http_status == status
        assert "too long" in found.error.said
        assert b"[DONE]" not in found.out


FAILED = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
TOLD = {"message": "the host went away", "code": 503}


@pytest.mark.parametrize(
    ("choice", "kind", "status"),
    [
        (FAILED, UpstreamCut, 502),
        (FAILED | {"error": TOLD}, ProviderError, 503),
        ({"index": 0, "delta": {}, "error": TOLD}, ProviderError, 503),
    ],
)
@pytest.mark.parametrize("end", [b"", DONE, event({"choices": [], "usage": USAGE}) + DONE])
def test_a_choice_that_failed_ends_no_answer(
    choice: dict[str, Any], kind: type[UpstreamError], status: int, end: bytes
) -> None:
    found = fed(ROLE + TEXT + event({"choices": [choice]}) + end)
    assert isinstance(found.error, kind)
    assert found.error.http_status == status
    assert b"[DONE]" not in found.out
    whole = {"choices": [{**choice, "message": {"role": "assistant", "content": "Hi"}}]}
    with pytest.raises(kind) as caught:
        chat_answer(json.dumps(whole).encode(), chat(), target(Dialect.OPENAI), FACTS)
    assert caught.value.http_status == status


def test_an_answer_may_speak_of_errors() -> None:
    for text in ("error", '{"error": "x"}', '"finish_reason":"error"'):
        choice = {"message": {"content": text, "error": None}, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice], "error": None}).encode()
        chat_answer(body, chat(), target(Dialect.OPENAI), FACTS)
        assert fed(ROLE + piece({"content": text}) + STOP + DONE).error is None


def test_ollamas_last_line_without_reason_and_counts_is_a_cut() -> None:
    """The server leaves them out where its runner went away."""
    line = {"model": "m", "message": {"role": "assistant", "content": "Hi"}}
    found = fed(lines(line | {"done": False}, line | {"done": True}), Dialect.OLLAMA)
    assert isinstance(found.error, UpstreamCut)
    with pytest.raises(UpstreamCut):
        chat_answer(json.dumps(line | {"done": True}).encode(), chat(), target(Dialect.OLLAMA), FACTS)
    for kept in ({"done_reason": "stop"}, {"eval_count": 1}, {"prompt_eval_count": 1}):
        assert fed(lines(line | {"done": True} | kept), Dialect.OLLAMA).done


def test_no_error_shows_the_deployments_key() -> None:
    for body, _ in ERRORS:
        text = json.dumps(body).replace("too long", f"bad key {KEY}").encode()
        for data in (ROLE + b"data: " + text + b"\n\n", text):
            error = fed(data).error
            assert isinstance(error, ProviderError)
            assert KEY not in error.message + error.said


SAID = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0}]}
OVER = {"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP", "index": 0}]}
BUSY = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (event(SAID), UpstreamCut),
        (event(SAID) + event({"usageMetadata": {"promptTokenCount": 1}}), UpstreamCut),
        (event(SAID) + event(BUSY), ProviderError),
        (event(BUSY), ProviderError),
        (event(SAID) + event(OVER), type(None)),
        ((event(SAID) + event(OVER)).rstrip(), type(None)),
    ],
)
@given(at=CUTS)
def test_googles_streams_are_whole_or_say_so(data: bytes, error: type[object], at: list[int]) -> None:
    found = fed(data, Dialect.GEMINI, at=at)
    assert isinstance(found.error, error)
    assert found.done is (error is type(None)) is (b"[DONE]" in found.out)
