"""A stream that breaks: what came before the failure is sent, then the failure is told, and the call is
booked once."""

import asyncio

import pytest

from functions.chat import chat
from functions.contract.function import EventStream
from schema.chat import ChatCompletion, ChatRequest, Message
from schema.errors.base import GatewayError
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from schema.ledger.rows import Outcome
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

REQUESTS = {
    name: ChatRequest(model=name, messages=[Message(role="user", content="Hi")], stream=True)
    for name in ("gpt", "claude", "mistral-local")
}
OPENAI_TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Good day"}}]}\n\n'
START = (
    b'data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c",'
    b'"content":[],"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
)
MORE = {
    "gpt": OPENAI_TEXT,
    "claude": (
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good day"}}\n\n'
    ),
    "mistral-local": b'{"message":{"role":"assistant","content":"Good day"},"done":false}\n',
}
BEGINNINGS = MORE | {"claude": START + MORE["claude"]}
FAILURES = {
    "gpt": b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n',
    "claude": b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    "mistral-local": b'{"error":"out of memory"}\n',
}


class Scene:
    def __init__(self, model: str, *chunks: bytes) -> None:
        self._request = REQUESTS[model]
        self.upstream, self.ledger = FakeUpstream(Answer(chunks=chunks)), FakeLedger()
        self.got: list[bytes] = []

    async def begin(self) -> EventStream:
        answer = await chat(self._request, model_ctx(self.upstream, ledger=self.ledger))
        assert not isinstance(answer, ChatCompletion)
        return answer

    async def read(self) -> GatewayError:
        """Everything up to the error, which is given."""
        stream = await self.begin()
        try:
            async for piece in stream.events():
                self.got.append(piece)
        except GatewayError as error:
            return error
        finally:
            stream.close()
        raise AssertionError("the stream should break")


@pytest.mark.parametrize("model", REQUESTS)
@pytest.mark.parametrize("in_one_read", [True, False])
def test_what_stood_ahead_of_a_failure_is_sent_before_it_is_told(model: str, in_one_read: bool) -> None:
    beginning, broken = BEGINNINGS[model], MORE[model] + FAILURES[model]
    scene = Scene(model, *([beginning + broken] if in_one_read else [beginning, broken]))
    error = asyncio.run(scene.read())
    assert isinstance(error, ProviderError)
    sent = b"".join(scene.got)
    assert sent.count(b"Good day") == 2
    assert b"[DONE]" not in sent
    (row,) = scene.ledger.rows
    assert (row.outcome, row.error_class) == (Outcome.FAILED, "ProviderError")
    assert row.completion_tokens > 0
    assert scene.ledger.sink.held == {}


@pytest.mark.parametrize("model", REQUESTS)
def test_a_stream_that_fails_before_its_first_event_is_no_stream(model: str) -> None:
    scene = Scene(model, FAILURES[model])
    with pytest.raises(ProviderError):
        asyncio.run(scene.begin())
    assert len(scene.ledger.rows) == 1
    assert scene.ledger.sink.held == {}


@pytest.mark.parametrize("model", REQUESTS)
def test_a_stream_that_ends_too_early_is_cut(model: str) -> None:
    scene = Scene(model, BEGINNINGS[model])
    assert isinstance(asyncio.run(scene.read()), UpstreamCut)
    assert b"Good day" in b"".join(scene.got)
    assert [row.outcome for row in scene.ledger.rows] == [Outcome.FAILED]


def test_a_read_that_is_garbage_behind_a_whole_event_sends_the_event() -> None:
    scene = Scene("gpt", OPENAI_TEXT, OPENAI_TEXT + b"data: {garbage\n\n")
    assert isinstance(asyncio.run(scene.read()), UpstreamMalformed)
    assert scene.got == [OPENAI_TEXT, OPENAI_TEXT]


def test_a_client_that_leaves_once_it_has_what_came_ahead_finds_the_failure_booked() -> None:
    async def run() -> None:
        stream = await scene.begin()
        pieces = stream.events()
        assert await anext(pieces) == OPENAI_TEXT
        assert [row.outcome for row in scene.ledger.rows] == [Outcome.FAILED]
        stream.close()

    scene = Scene("gpt", OPENAI_TEXT + FAILURES["gpt"])
    asyncio.run(run())
    assert len(scene.ledger.rows) == 1
