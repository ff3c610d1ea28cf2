"""Feed a parser the same bytes in every way, and see that it makes no difference."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from models_registry.turns.stream import AnswerStream, Broken
from schema.errors.base import GatewayError
from schema.usage import Usage


class Outcome(msgspec.Struct, frozen=True):
    """What came out of a stream. `out` also has the bytes before the error."""

    out: bytes
    error: GatewayError | None
    usage: Usage | None
    produced_bytes: int
    done: bool

    @property
    def facts(self) -> tuple[object, ...]:
        kind = (type(self.error), self.error.message, self.error.code) if self.error else None
        return (self.out, kind, self.usage, self.produced_bytes, self.done)


def run(stream: AnswerStream, pieces: Iterable[bytes]) -> Outcome:
    """Feed the pieces, and close the stream. Any exception makes the test fail."""
    out = bytearray()
    error: GatewayError | None = None
    for given in _given(stream, pieces):
        if isinstance(given, Broken):
            out += given.ahead
            error = given.failure.error()
            break
        out += given
    return Outcome(bytes(out), error, stream.usage, stream.produced_bytes, stream.done)


def _given(stream: AnswerStream, pieces: Iterable[bytes]) -> Iterator[bytes | Broken]:
    for piece in pieces:
        yield stream.feed(piece)
    yield stream.close()


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The data in pieces, cut at the given places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def feed_all_ways(make: Callable[[], AnswerStream], data: bytes, at: Sequence[int] = ()) -> Outcome:
    """Feed the data whole, byte by byte, and cut at the given places. All outcomes must be the same, and it
    is given."""
    whole = run(make(), [data])
    assert run(make(), (data[i : i + 1] for i in range(len(data)))).facts == whole.facts
    assert run(make(), cut(data, at)).facts == whole.facts
    assert run(make(), data.splitlines(keepends=True)).facts == whole.facts
    return whole


def feed_most_ways(make: Callable[[], AnswerStream], data: bytes, *, all_ways_below: int) -> Outcome:
    """As `feed_all_ways` for data of fewer bytes than that. A longer stream is fed whole and in pieces of two
    lengths, since byte by byte takes long."""
    if len(data) < all_ways_below:
        return feed_all_ways(make, data, [1, 77])
    whole = run(make(), [data])
    for step in (97, 1460):
        assert run(make(), cut(data, range(0, len(data), step))).facts == whole.facts
    return whole
