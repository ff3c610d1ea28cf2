"""What the client of a stream is sent while its call is silent."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from functions.chat import chat
from functions.contract.policy import Policy
from functions.messages import messages
from functions.responses import responses
from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.web.early_reply import MAX_WAITING, EarlyReply
from schema.errors.upstream import ProviderError, UpstreamUnreachable
from schema.ledger.rows import Outcome
from tests.fakes import answers
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeResponse, FakeUpstream
from tests.functions.contexts import CONFIG, make_router
from tests.runtime.in_process import Client, House, Message, ask, body_of, scope_of

EVERY_S = 0.01
STREAM = Answer(chunks=answers.openai_stream())
PING = b": ping\n\n"
RETRIES = CONFIG | {"router_settings": {"num_retries": 1}}


class HeldUpstream(FakeUpstream):
    """Answers when `go` is set, and says what comes `ahead` before that. Only the `held` attempts wait."""

    def __init__(self, *script: Any, ahead: tuple[bytes, ...] = (), held: int = 99) -> None:
        super().__init__(*script)
        self.go = asyncio.Event()
        self._ahead = ahead
        self._held = held

    async def open(
        self, request: UpstreamRequest, deadlines: Deadlines, *, near: bool = False, judged: bool = False
    ) -> FakeResponse:
        if len(self.requests) >= self._held:
            return await super().open(request, deadlines)
        if self._ahead:
            return HeldResponse(await super().open(request, deadlines), self._ahead, self.go)
        await self.go.wait()
        return await super().open(request, deadlines)


class HeldResponse(FakeResponse):
    def __init__(self, response: FakeResponse, ahead: tuple[bytes, ...], go: asyncio.Event) -> None:
        super().__init__(response._answer)
        self._ahead, self._go = ahead, go

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._ahead:
            yield piece
        await self._go.wait()
        async for piece in super().chunks():
            yield piece


def called(
    upstream: HeldUpstream,
    *,
    until: Callable[[Client], bool] = lambda client: client.body.count(PING) >= 2,
    keepalive_s: float = EVERY_S,
    config: dict[str, Any] | None = None,
    fn: Callable[..., Any] = chat,
    message: Message | None = None,
    **fields: Any,
) -> tuple[Client, House]:
    """A call whose provider answers once the client has been sent enough."""
    house = House(upstream)
    house.give(state=FakeState(), policy=Policy())
    if config is not None:
        house.give(routes=make_router(config))

    async def run() -> Client:
        client = Client(ask(stream=True, **fields) if message is None else message)
        door = house.route(fn, keepalive_s=keepalive_s)
        calling = asyncio.create_task(door.handle(scope_of(), client.receive, client.send))
        while client.got == [] or not until(client):
            client.progress.clear()
            await asyncio.wait_for(client.progress.wait(), 10)
        upstream.go.set()
        await asyncio.wait_for(calling, 10)
        return client

    return asyncio.run(run()), house


def logged(house: House) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(house.log[-1])
    return found


def test_a_silent_stream_gets_its_head_and_comments_and_then_its_answer() -> None:
    client, house = called(HeldUpstream(STREAM))
    (row,) = house.sink.rows
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert client.headers["x-litellm-call-id"] == row.request_id
    assert not [name for name in client.headers if "model" in name or "cost" in name or "attempted" in name]
    *_, told, first = client.body.split(b"data: ")[0].split(b"\n\n")
    assert json.loads(told[2:])["x-litellm-model-id"]
    assert first == b""
    assert "".join(answers.TEXT) == "".join(
        json.loads(part[6:])["choices"][0]["delta"].get("content", "")
        for part in client.body.split(b"\n\n")
        if part.startswith(b"data: {")
    )
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert (row.outcome, row.http_status) == (Outcome.OK, 200)


def test_an_answer_in_time_has_its_own_head() -> None:
    upstream = HeldUpstream(STREAM, held=0)
    client, _ = called(upstream, keepalive_s=10.0, until=lambda client: True)
    assert client.headers["x-litellm-model-id"]
    assert all(part.startswith(b"data: ") for part in client.body.split(b"\n\n")[:-1])


def test_a_provider_that_fails_after_the_head_is_told_by_an_event_with_the_true_status() -> None:
    failure = ProviderError("No capacity.", status=529, kind="overloaded_error")
    client, house = called(HeldUpstream(failure))
    (row,) = house.sink.rows
    last = client.body.split(b"\n\n")[-2]
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert client.status == 200
    assert error["status"] == row.http_status == logged(house)["status"]
    assert error["status"] >= 500
    assert b"[DONE]" not in client.body


def test_a_retry_is_possible_after_the_head() -> None:
    upstream = HeldUpstream(UpstreamUnreachable("No route."), STREAM)
    client, house = called(upstream, config=RETRIES)
    assert client.body.endswith(b"data: [DONE]\n\n")
    told = next(part for part in client.body.split(b"\n\n") if part.startswith(b": {"))
    assert json.loads(told[2:])["x-litellm-attempted-retries"] == "1"
    assert [row.outcome for row in house.sink.rows] == [Outcome.FAILED, Outcome.OK]


def test_a_providers_comments_go_on_at_once_and_commit_nothing() -> None:
    comment = b": OPENROUTER PROCESSING\n\n"
    upstream = HeldUpstream(Answer(error=UpstreamUnreachable("Gone.")), STREAM, ahead=(comment,), held=1)
    client, house = called(
        upstream, keepalive_s=60.0, config=RETRIES, until=lambda client: comment in client.body
    )
    assert client.body.startswith(comment)
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert "x-litellm-model-id" not in client.headers
    assert len(house.sink.rows) == 2


def test_our_own_refusals_keep_their_status() -> None:
    client, _ = called(HeldUpstream(STREAM), until=lambda client: True, model="no-such-model")
    assert client.status == 404


def test_a_plain_call_gets_no_early_head() -> None:
    async def run() -> Client:
        upstream = HeldUpstream(Answer(body=answers.openai_chat()))
        client = Client(ask())
        door = House(upstream).route(keepalive_s=EVERY_S)
        calling = asyncio.create_task(door.handle(scope_of(), client.receive, client.send))
        for _ in range(5):
            await asyncio.sleep(EVERY_S)
        assert client.got == []
        upstream.go.set()
        await calling
        return client

    assert asyncio.run(run()).headers["content-type"] == "application/json"


def test_zero_is_off() -> None:
    upstream = HeldUpstream(STREAM, ahead=(b": a\n\n",), held=0)
    client, _ = called(upstream, keepalive_s=0.0, until=lambda client: True)
    assert client.headers["x-litellm-model-id"]


def test_a_client_that_leaves_ends_the_call_and_the_comments() -> None:
    async def run() -> House:
        house = House(HeldUpstream(STREAM))
        client = Client(ask(stream=True))
        door = house.route(keepalive_s=EVERY_S)
        calling = asyncio.create_task(door.handle(scope_of(), client.receive, client.send))
        while client.body.count(PING) < 1:
            client.progress.clear()
            await client.progress.wait()
        client.leave()
        await asyncio.wait_for(calling, 10)
        assert [task for task in asyncio.all_tasks() if task.get_name() == "early reply"] == []
        return house

    assert asyncio.run(run()).sink.rows[0].outcome is Outcome.CANCELLED


def test_what_waits_for_a_client_that_does_not_read_is_bounded() -> None:
    async def run() -> None:
        client = Client(stops_reading_after=1)
        early = EarlyReply(client.send, 60.0)
        early.mind(House().endpoint().manifest.stream_form, lambda: [])
        for _ in range(1000):
            early.comment(b": a\n\n")
        await asyncio.sleep(0)
        assert len(early._waiting) <= MAX_WAITING
        early.close()

    asyncio.run(run())


RESPONSES = body_of(b'{"model": "gpt", "input": "Hi", "stream": true}')


def test_a_silent_stream_of_responses_has_comments_and_then_its_events() -> None:
    client, _ = called(HeldUpstream(STREAM), fn=responses, message=RESPONSES)
    comments, _, told = client.body.rpartition(PING)
    assert set(comments.split(b"\n\n")) <= {b": ping", b""}
    first = next(line for line in told.splitlines() if line.startswith(b"event: "))
    assert first == b"event: response.created"
    assert b"event: response.completed" in told


def test_a_stream_of_responses_that_fails_after_its_head_ends_with_an_error_event() -> None:
    upstream = HeldUpstream(ProviderError("Too many.", status=429))
    client, house = called(upstream, fn=responses, message=RESPONSES)
    assert client.status == 200
    name, data = client.body.rpartition(PING)[2].strip().split(b"\n")[-2:]
    assert name == b"event: error"
    told = json.loads(data.removeprefix(b"data: "))
    assert (told["type"], told["message"], told["sequence_number"]) == ("error", "Too many.", 0)
    assert [row.http_status for row in house.sink.rows] == [429]


EVENT_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def in_messages(upstream: HeldUpstream, until: bytes = EVENT_PING * 2) -> Client:
    """A silent call of Messages."""
    client, _ = called(
        upstream, until=lambda client: until in client.body, fn=messages, max_tokens=9, model="claude"
    )
    return client


def test_a_silent_stream_of_messages_gets_pings_and_then_its_answer() -> None:
    chunks = answers.anthropic_stream()
    client = in_messages(HeldUpstream(Answer(chunks=chunks)))
    assert client.status == 200
    assert client.body.startswith(EVENT_PING * 2)
    told = b"".join(chunks).replace(b'"claude-3-sonnet"', b'"claude"')
    assert client.body.endswith(told)


def test_a_silent_stream_of_messages_that_fails_ends_with_its_error_event() -> None:
    client = in_messages(HeldUpstream(ProviderError("No capacity.", status=529)))
    *_, last = client.body.rstrip(b"\n").split(b"\n\n")
    name, data = last.split(b"\n")
    error = json.loads(data.removeprefix(b"data: "))
    assert name == b"event: error"
    assert (error["type"], error["error"]["type"]) == ("error", "overloaded_error")
    assert error["request_id"] == client.headers["x-litellm-call-id"]


def test_a_providers_comments_are_pings_of_messages() -> None:
    upstream = HeldUpstream(STREAM, ahead=(b": OPENROUTER PROCESSING\n\n",))
    client, _ = called(
        upstream, keepalive_s=60.0, until=lambda client: EVENT_PING in client.body, fn=messages, max_tokens=9
    )
    assert b"OPENROUTER" not in client.body
