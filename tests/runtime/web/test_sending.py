"""Replies to clients that read them, slowly or not at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from functions.contract.function import Download
from models_registry.turns.sse import failure_frame
from runtime.reply import Reply
from runtime.web.sending import PIECE_BYTES, send_reply
from schema.errors.base import GatewayError

WRITE_S = 0.05


class Reader:
    """Takes so many messages, each after a while, and then reads no more."""

    def __init__(self, messages: int = 10_000, *, pause_s: float = 0.0) -> None:
        self._messages = messages
        self._pause_s = pause_s
        self.got: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        if len(self.got) >= self._messages:
            await asyncio.Event().wait()
        await asyncio.sleep(self._pause_s)
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)


class Ten:
    """A stream of ten events, each after a while."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self.closed = 0

    async def events(self) -> AsyncIterator[bytes]:
        for number in range(10):
            await asyncio.sleep(self._pause_s)
            yield b"data: %d\n\n" % number

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        self.closed += 1


async def ton() -> AsyncIterator[bytes]:
    for _ in range(10):
        yield b"x"


def sent(reply: Reply, reader: Reader) -> int:
    """How often `done` was called."""
    done: list[bool] = []
    reply.done = lambda: done.append(True)

    async def run() -> None:
        async with asyncio.timeout(10):
            await send_reply(reader.send, reply, write_s=WRITE_S)

    asyncio.run(run())
    return len(done)


def whole(size: int) -> Reply:
    return Reply(status=200, headers=[], body=bytes(range(256)) * (size // 256))


@pytest.mark.parametrize("size", [0, 256, PIECE_BYTES, PIECE_BYTES + 256, 10 * PIECE_BYTES])
def test_a_body_arrives_as_it_is_and_a_large_one_in_pieces(size: int) -> None:
    reader, reply = Reader(), whole(size)
    assert sent(reply, reader) == 1
    assert reader.body == reply.body
    assert max(len(message.get("body", b"")) for message in reader.got) <= PIECE_BYTES
    assert [message["type"] for message in reader.got][:1] == ["http.response.start"]
    assert reader.got[-1]["more_body"] is False


@pytest.mark.parametrize("what", ["a stream", "a download", "a large body"])
def test_a_client_that_reads_no_more_is_cut_off(what: str) -> None:
    stream, reader = Ten(), Reader(3)
    reply = Reply(status=200, headers=[], body=stream if what == "a stream" else b"")
    if what == "a download":
        reply.download = Download(media_type="text/csv", filename="ton.csv", pieces=ton)
    if what == "a large body":
        reply = whole(10 * PIECE_BYTES)
    assert sent(reply, reader) == 1
    assert len(reader.got) == 3
    assert stream.closed == (1 if what == "a stream" else 0)


def test_a_slow_reader_and_a_slow_provider_are_not_cut_off() -> None:
    stream, reader = Ten(pause_s=WRITE_S * 1.5), Reader(pause_s=WRITE_S / 4)
    assert sent(Reply(status=200, headers=[], body=stream), reader) == 1
    assert reader.body.count(b"data:") == 10
    assert reader.got[-1]["more_body"] is False
