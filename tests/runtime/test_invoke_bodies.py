"""Which calls' bodies are handed on to be kept. The caller gets the same bytes either way."""

import asyncio
from typing import Any

import msgspec
import pytest

from functions.models import models
from runtime.bodies.copy import BodyCopy
from runtime.bodies.keeper import MAX_WAITING_BYTES, REDACTION_HEADER, BodyKeeper
from runtime.bodies.storage_policy import StoragePolicy
from schema.errors.upstream import ProviderError
from tests.fakes import answers
from tests.fakes.upstream import Answer, FakeUpstream
from tests.runtime.in_process import ASK, MASTER, Client, House, ask, handle, scope_of


class Copies(BodyKeeper):
    """Real but for the writing, which nobody starts: `complete` has what would be written."""

    def __init__(self, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        storage = StoragePolicy(stores_bodies=True)
        super().__init__(None, storage, max_waiting_bytes=max_waiting_bytes)  # type: ignore[arg-type]

    @property
    def complete(self) -> list[BodyCopy]:
        return list(self.queue.waiting)

    @property
    def asked(self) -> list[Any]:
        return [msgspec.json.decode(msgspec.json.encode(dict(body.fields or {}))) for body in self.complete]

    @property
    def answered(self) -> list[bytes]:
        return [b"".join(body.pieces) for body in self.complete]


def house_of(upstream: FakeUpstream | None = None) -> tuple[House, Copies]:
    house, copies = House(upstream), Copies()
    house.gateway = msgspec.structs.replace(house.gateway, bodies=copies)
    return house, copies


def test_a_call_and_its_answer_are_kept_and_sent_alike() -> None:
    house, copies = house_of()
    client = handle(house.route(), ask())
    assert copies.asked == [ASK]
    assert copies.answered == [client.body] == [answers.openai_chat().replace(b'"gpt-4"', b'"gpt"')]
    assert copies.complete[0].request_id == house.sink.rows[0].request_id


def test_a_refused_call_is_kept_with_what_it_was_told() -> None:
    house, copies = house_of(FakeUpstream(ProviderError("No.", status=400)))
    client = handle(house.route(), ask())
    assert client.status == 400
    assert (copies.asked, copies.answered) == ([ASK], [client.body])


def test_a_stream_is_kept_as_it_was_sent() -> None:
    house, copies = house_of(FakeUpstream(Answer(chunks=answers.openai_stream())))
    client = handle(house.route(), ask(stream=True))
    assert copies.answered == [client.body]
    assert copies.complete[0].streamed


@pytest.mark.parametrize("stream", [False, True])
def test_of_a_client_that_left_is_kept_what_there_was(stream: bool) -> None:
    chunks = answers.openai_stream()[:4] if stream else []

    async def run() -> tuple[House, Copies]:
        house, copies = house_of(FakeUpstream(Answer(chunks=chunks, stalls=True)))
        client = Client(ask(stream=stream))
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            while not house.upstream.responses or len(client.got) < len(chunks):  # noqa: ASYNC110
                await asyncio.sleep(0)
            client.leave()
            await task
        return house, copies

    house, copies = asyncio.run(run())
    assert copies.asked == [{**ASK, "stream": stream}]
    (answered,) = copies.answered
    assert answered.startswith(b"data: ") is stream
    assert len(house.sink.rows) == 1


def test_what_calls_no_model_asks_not_to_be_kept_or_can_not_be_read_is_not_kept() -> None:
    house, copies = house_of()
    handle(house.route(models), scope=scope_of(method="GET", key=MASTER))
    handle(house.route(), ask(), scope=scope_of((REDACTION_HEADER, "true")))
    handle(house.route(), ask(messages=7))
    handle(house.route(), ask(), scope=scope_of(key=None))
    assert copies.complete == []


def test_a_full_queue_is_no_reason_to_refuse() -> None:
    house, _ = house_of(FakeUpstream(Answer(chunks=answers.openai_stream())))
    full = Copies(max_waiting_bytes=0)
    house.gateway = msgspec.structs.replace(house.gateway, bodies=full)
    client = handle(house.route(), ask(stream=True))
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert (full.queue.lost, full.complete) == (1, [])
    assert len(house.sink.rows) == 1
