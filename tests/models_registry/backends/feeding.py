"""Feed a parser the same bytes in every way, and see that it makes no difference."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import msgspec

from models_registry.backends.backend import ChatStream
from schema.errors import UpstreamError
from schema.usage import Usage


class Outcome(msgspec.Struct, frozen=True):
    """What a stream came to. `out` has what stood ahead of the error, too."""

    out: bytes
    error: UpstreamError | None
    usage: Usage | None
    produced_bytes: int
    done: bool

    @property
    def facts(self) -> tuple[object, ...]:
        kind = (type(self.error), self.error.message, self.error.code) if self.error else None
        return (self.out, kind, self.usage, self.produced_bytes, self.done)


def run(stream: ChatStream, pieces: Iterable[bytes]) -> Outcome:
    """Feed the pieces and close. Any exception but UpstreamError is a failure of the test."""
    out = bytearray()
    error: UpstreamError | None = None
    try:
        for piece in pieces:
            out += stream.feed(piece)
        out += stream.close()
    except UpstreamError as exc:
        out += exc.unsent
        error = exc
    return Outcome(bytes(out), error, stream.usage, stream.produced_bytes, stream.done)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The data in pieces, cut at the given places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def feed_all_ways(make: Callable[[], ChatStream], data: bytes, at: Sequence[int] = ()) -> Outcome:
    """Whole, byte by byte, and cut at the given places: one outcome, which is returned."""
    whole = run(make(), [data])
    assert run(make(), (data[i : i + 1] for i in range(len(data)))).facts == whole.facts
    assert run(make(), cut(data, at)).facts == whole.facts
    assert run(make(), data.splitlines(keepends=True)).facts == whole.facts
    return whole
