"""Large bodies are worked on one at a time, and the event loop turns meanwhile."""

import asyncio
import json
from itertools import pairwise

import msgspec
import pytest

from runtime.intake.body_decoder import LARGE_BYTES, BodyDecoder
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest

CHAT = msgspec.json.Decoder(ChatRequest)


def chat_of(size: int, **fields: object) -> bytes:
    messages = [{"role": "user", "content": "a{" * (size // 2)}]
    return json.dumps({"model": "m", "messages": messages, **fields}).encode()


def test_a_large_body_is_decoded_as_a_small_one_is() -> None:
    async def run() -> None:
        for size in (10, LARGE_BYTES - 100, LARGE_BYTES, 5 * LARGE_BYTES):
            body = chat_of(size, odd={"a": [1.50]})
            request = await BodyDecoder().decode(CHAT, body)
            assert (request.model, bytes(request.raw["odd"])) == ("m", b'{"a": [1.5]}')
            assert request.messages[0].content == "a{" * (size // 2)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (chat_of(2 * LARGE_BYTES)[:-1], "not valid JSON"),
        (chat_of(2 * LARGE_BYTES)[:-1] + b',"model":"n"}', "twice"),
        (chat_of(2 * LARGE_BYTES, temperature="warm"), "temperature"),
        (chat_of(2 * LARGE_BYTES, x=[[]] * 100_000), "100,000 objects and lists"),
        (b"[" * 2 * LARGE_BYTES, "400 levels of nesting"),
        (b'"' * 2 * LARGE_BYTES, "250,000 texts"),
    ],
)
def test_what_is_wrong_with_a_large_body_is_told_as_of_a_small_one(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        asyncio.run(BodyDecoder().decode(CHAT, body))


def test_the_loop_turns_while_large_bodies_are_joined_and_decoded_in_turn() -> None:
    async def run() -> tuple[int, list[int]]:
        decoder, body, turns = BodyDecoder(), chat_of(4 * LARGE_BYTES), 0
        ended: list[int] = []

        async def one() -> None:
            joined = await decoder.joined([body[:1_000], body[1_000:]], len(body))
            assert joined == body
            await decoder.decode(CHAT, joined)
            ended.append(turns)

        tasks = [asyncio.create_task(one()) for _ in range(5)]
        while not all(task.done() for task in tasks):
            turns += 1
            await asyncio.sleep(0)
        return turns, ended

    turns, ended = asyncio.run(run())
    assert turns > 5 * 4, "several turns a body"
    assert all(later - earlier >= 4 for earlier, later in pairwise(ended)), "one at a time"


def test_a_small_body_waits_for_no_large_one() -> None:
    async def run() -> None:
        decoder = BodyDecoder()
        large = asyncio.create_task(decoder.decode(CHAT, chat_of(8 * LARGE_BYTES)))
        await asyncio.sleep(0)
        assert (await decoder.decode(CHAT, chat_of(10))).model == "m"
        assert not large.done()
        assert (await large).model == "m"

    asyncio.run(run())


def test_who_leaves_while_waiting_for_its_turn_keeps_nobody_waiting() -> None:
    async def run() -> None:
        decoder, body = BodyDecoder(), chat_of(2 * LARGE_BYTES)
        tasks = [asyncio.create_task(decoder.decode(CHAT, body)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks[:3]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in found[:3])
        assert isinstance(found[3], ChatRequest)

    asyncio.run(run())
