"""A provider that costs next to nothing: fixed answers from one asyncio protocol, in its own process.

`python -m tests.bench.canned` prints the port it listens on. A plain call gets a chat completion of realistic
size; one with `"stream": true` gets 200 content events, a finish, the usage and `[DONE]`. Each event is an
HTTP chunk of its own. Ten events go in one write, as they coalesce on a busy link. The writes are spread over
turns of the loop, so that streams interleave.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

CHUNKS = 200
EVENTS_A_WRITE = 10
MAX_REQUEST_BYTES = 1024 * 1024

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": *true')
_ANSWER = (
    "A gateway stands between the programs of a team and the providers of models. It knows who is "
    "calling, chooses where the call goes, counts what it costs and writes that down, and it must do "
    "all of that without standing in the way. "
) * 3
_USAGE: dict[str, object] = {"prompt_tokens": 57, "completion_tokens": CHUNKS, "total_tokens": 57 + CHUNKS}


def plain_answer() -> bytes:
    """The whole HTTP answer of a plain call, about 1.1 kB."""
    message: dict[str, object] = {"role": "assistant", "content": _ANSWER, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = msgspec.json.encode(
        {
            "id": "chatcmpl-BJyq7dCkpZ0M3u2XbW9sT1vYfQhLr",
            "object": "chat.completion",
            "created": 1_744_316_542,
            "model": "canned",
            "choices": [choice],
            "usage": _USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_44add55e8e",
        }
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _event(choices: list[object], usage: object = None) -> bytes:
    body = {
        "id": "chatcmpl-BJyq7dCkpZ0M3u2XbW9sT1vYfQhLr",
        "object": "chat.completion.chunk",
        "created": 1_744_316_542,
        "model": "canned",
        "service_tier": "default",
        "system_fingerprint": "fp_44add55e8e",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def stream_writes() -> tuple[bytes, ...]:
    """The writes of a streamed answer, with its head and its last chunk."""
    words = _ANSWER.split()
    events = [
        _event([{"index": 0, "delta": {"content": words[i % len(words)] + " "}, "finish_reason": None}])
        for i in range(CHUNKS)
    ]
    events.append(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events += [_event([], _USAGE), b"data: [DONE]\n\n"]
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    writes = [b"".join(chunks[at : at + EVENTS_A_WRITE]) for at in range(0, len(chunks), EVENTS_A_WRITE)]
    return (head, *writes[:-1], writes[-1] + b"0\r\n\r\n")


class Canned(asyncio.Protocol):
    """One keep-alive connection. Requests are answered in turn; pipelining is not expected."""

    def __init__(self, plain: bytes, stream: tuple[bytes, ...]) -> None:
        self._plain = plain
        self._stream = stream
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports don't derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        assert self._transport is not None
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0 or len(self._buffer) > MAX_REQUEST_BYTES:
            return
        length = _LENGTH.search(self._buffer, 0, head_end)
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < end:
            return
        streamed = _STREAM.search(self._buffer, head_end)
        self._buffer = self._buffer[end:]
        if streamed is None:
            self._transport.write(self._plain)
        else:
            self._write_next(iter(self._stream))

    def _write_next(self, writes: Iterator[bytes]) -> None:
        data = next(writes, None)
        if data is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            asyncio.get_running_loop().call_soon(self._write_next, writes)


async def serve() -> None:
    plain, stream = plain_answer(), stream_writes()
    server = await asyncio.get_running_loop().create_server(
        lambda: Canned(plain, stream), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # The bench holds our stdin. When stdin ends, the bench has ended, and so do we.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())
