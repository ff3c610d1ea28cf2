"""Compressed request bodies: whole, byte by byte, cut off, with too much behind them, and bombs."""

import asyncio
import gzip
import zlib
from contextlib import suppress
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runtime.intake.coded_body import CodedBody, coding_of
from schema.errors.requests import BodyTooLarge, InvalidRequest, UnsupportedCoding

LIMIT = 4 * 1024 * 1024
PLAIN = b'{"model": "gpt", "messages": [{"role": "user", "content": "' + b"hi " * 5_000 + b'"}]}'
PACKED = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN, compresslevel=1),
    "zstd": zstandard.compress(PLAIN),
}
Message = dict[str, Any]  # ASGI's own type


def receiver(pieces: list[bytes], *, leaves: bool = False) -> Any:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": leaves or number + 1 < len(pieces)}
        for number, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def read(body: CodedBody, most: int = 1 << 40) -> bytes:
    """What a reader gets that stops after `most` bytes."""
    out: bytes = b""
    while True:
        message = await body.receive()
        if message["type"] == "http.disconnect":
            return out + b"<left>"
        out += message["body"]
        if not message["more_body"] or len(out) > most:
            return out


def decoded(pieces: list[bytes], coding: str, limit: int = LIMIT, **more: bool) -> bytes:
    return asyncio.run(read(CodedBody(receiver(pieces, **more), coding, limit)))


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("size", [1, 7, 64, 65, 100_000])
def test_a_body_in_any_cuts_is_what_was_compressed(coding: str, size: int) -> None:
    assert decoded(cut(PACKED[coding], size), coding) == PLAIN


@pytest.mark.parametrize("coding", PACKED)
def test_a_body_whose_last_piece_is_empty_is_whole(coding: str) -> None:
    assert decoded([PACKED[coding], b""], coding) == PLAIN
    assert decoded([b"", PACKED[coding]], coding) == PLAIN


@pytest.mark.parametrize("coding", PACKED)
def test_no_body_is_an_empty_body(coding: str) -> None:
    assert decoded([b""], coding) == b""


@pytest.mark.parametrize("coding", PACKED)
def test_a_body_that_breaks_off_or_is_something_else_is_refused(coding: str) -> None:
    packed = PACKED[coding]
    with pytest.raises(InvalidRequest, match="breaks off"):
        decoded([packed[:-1]], coding)
    for other in (PLAIN, packed[1:], packed[:20] + b"\xff" * 20):
        with pytest.raises(InvalidRequest):
            decoded([other], coding)


def test_a_changed_byte_is_noticed_by_the_checksum() -> None:
    packed = bytearray(PACKED["gzip"])
    packed[-6] ^= 1
    with pytest.raises(InvalidRequest, match="does not decompress as gzip"):
        decoded([bytes(packed)], "gzip")


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_second_frame_is_refused(coding: str, size: int) -> None:
    with pytest.raises(InvalidRequest, match="one frame"):
        decoded(cut(PACKED[coding] * 2, size), coding)
    with pytest.raises(InvalidRequest, match="one frame"):
        decoded([PACKED[coding], b"x"], coding)


@pytest.mark.parametrize("coding", ["br", "deflate", "compress", "gzip, zstd", "gzip, gzip", "../gzip"])
def test_another_coding_is_415_and_names_the_two(coding: str) -> None:
    with pytest.raises(UnsupportedCoding) as caught:
        decoded([b"anything"], coding)
    assert caught.value.http_status == 415
    assert caught.value.reply_headers == {"accept-encoding": "gzip, zstd"}


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("GZIP", "gzip"),
        (" zstd ", "zstd"),
        ("identity", ""),
        ("", ""),
        ("identity, gzip", "gzip"),
        ("gzip,zstd", "gzip, zstd"),
    ],
)
def test_a_header_names_a_coding(header: str, coding: str) -> None:
    assert coding_of(header) == coding


def bombs() -> dict[str, bytes]:
    size = 128 * 1024 * 1024
    deflate = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    gzipped = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)) + deflate.flush()
    return {"gzip": gzipped, "zstd": zstandard.compress(bytes(size))}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_gives_small_pieces_and_is_left_where_its_reader_stops(coding: str) -> None:
    packed = bombs()[coding]
    assert len(packed) < 150 * 1024

    async def run() -> tuple[int, int]:
        body = CodedBody(receiver([packed]), coding, LIMIT)
        largest = total = 0
        while total <= LIMIT:
            piece = (await body.receive())["body"]
            largest, total = max(largest, len(piece)), total + len(piece)
        return largest, total

    largest, total = asyncio.run(run())
    assert largest <= 2 * 1024 * 1024
    assert total <= LIMIT + largest


def test_compressed_bytes_that_stand_for_nothing_are_counted_too() -> None:
    """Empty stored blocks decompress to nothing, so that a reader would count none of them."""
    empty_block = b"\x00\x00\x00\xff\xff"
    head = gzip.compress(b"")[:10]
    with pytest.raises(BodyTooLarge):
        decoded([head, *([empty_block * 1000] * 1000)], "gzip", limit=100_000)


def test_a_window_over_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packed.compress(PLAIN) + packed.flush()
    with pytest.raises(InvalidRequest, match="zstd"):
        decoded([data], "zstd")


@pytest.mark.parametrize("coding", PACKED)
def test_a_client_that_leaves_half_way_is_noticed(coding: str) -> None:
    assert decoded([PACKED[coding][:40]], coding, leaves=True).endswith(b"<left>")


def test_after_the_body_the_clients_leaving_is_heard() -> None:
    async def run() -> Message:
        body = CodedBody(receiver([PACKED["zstd"]]), "zstd", LIMIT)
        await read(body)
        return await body.receive()

    assert asyncio.run(run()) == {"type": "http.disconnect"}


@given(data=st.binary(max_size=300), size=st.integers(1, 50), coding=st.sampled_from(["gzip", "zstd"]))
def test_arbitrary_bytes_raise_nothing_but_our_errors(data: bytes, size: int, coding: str) -> None:
    for body in (data, PACKED[coding][:30] + data):
        with suppress(InvalidRequest):
            decoded(cut(body, size) or [b""], coding)


@given(data=st.binary(max_size=2_000), size=st.integers(1, 200), coding=st.sampled_from(["gzip", "zstd"]))
def test_what_was_compressed_comes_back(data: bytes, size: int, coding: str) -> None:
    packed = gzip.compress(data) if coding == "gzip" else zstandard.compress(data)
    assert decoded(cut(packed, size), coding) == data
