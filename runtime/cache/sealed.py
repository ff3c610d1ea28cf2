"""Answers as they stand outside of a worker: compressed, and sealed under the salt key."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from functions.ports.cache import KeptAnswer
from runtime.state.sealing import CantOpen, Sealer

KIND = "cached answer"
COMPRESS_LEVEL = 1
SHORT_BYTES = 128 * 1024
"""More is sealed and opened in a thread, so that it does not hold calls up."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptAnswer)


class ToKeep(NamedTuple):
    """An answer that is to be written."""

    key: str
    answer: KeptAnswer
    ttl_s: float


class StillKept(NamedTuple):
    answer: KeptAnswer
    left_s: float
    """For how long it is still kept."""


async def sealed_under(sealer: Sealer, answers: Mapping[str, ToKeep]) -> Sequence[bytes]:
    """The answers, sealed, each under the name that it is kept by."""
    size = sum(len(each.answer.body) for each in answers.values())

    def seal() -> list[bytes]:
        return [
            sealer.seal(
                zlib.compress(_encoder.encode(each.answer), COMPRESS_LEVEL), kind=KIND, owner="", id=name
            )
            for name, each in answers.items()
        ]

    return await asyncio.to_thread(seal) if size > SHORT_BYTES else seal()


async def opened_by(sealer: Sealer, name: str, sealed: bytes) -> KeptAnswer | None:
    """The answer. None: it can't be opened."""

    def unseal() -> KeptAnswer:
        return _decoder.decode(zlib.decompress(sealer.open(sealed, kind=KIND, owner="", id=name)))

    try:
        return await asyncio.to_thread(unseal) if len(sealed) > SHORT_BYTES else unseal()
    except (CantOpen, zlib.error, msgspec.DecodeError):
        return None
