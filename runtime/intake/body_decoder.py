"""Joins and decodes the bodies of requests. Large bodies take turns, so that the worker goes on answering.

Decoding blocks the interpreter, in a thread too: 130 ms for a body of 28 MB, and seconds for twenty such
bodies at once. So one large body is decoded at a time, in steps, and the event loop runs between two steps.
"""

import asyncio

import msgspec

from schema.shape import scan
from schema.wire import W, decode_body, fields_of, typed_body

LARGE_BYTES = 1024 * 1024
SLICES_A_STEP = 4


class BodyDecoder:
    """Decodes the bodies of a worker's requests. Each worker has one."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def joined(self, pieces: list[bytes], size: int) -> bytes:
        """The body that these pieces make up. `size` is its length in bytes. The list is emptied for a large
        body."""
        if size < LARGE_BYTES:
            return b"".join(pieces)
        async with self._turn:
            body = b"".join(pieces)
            pieces.clear()
            await asyncio.sleep(0)
            return body

    async def decode(self, decoder: "msgspec.json.Decoder[W]", body: bytes) -> W:
        """The request in a body. Raises InvalidRequest as `schema.wire.decode_body` does."""
        if len(body) < LARGE_BYTES:
            return decode_body(decoder, body)
        async with self._turn:
            nested = 0
            for number, counts in enumerate(scan(body)):
                nested = counts.nested
                if number % SLICES_A_STEP == 0:
                    await asyncio.sleep(0)
            raw = fields_of(body, nested)
            await asyncio.sleep(0)
            request = typed_body(decoder, body, raw)
            await asyncio.sleep(0)
            return request
