"""What a connection makes of an answer, with h11 as the judge, since it is a reader written by others."""

import asyncio
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models_registry.target import Deadlines
from runtime.upstream.connection import HIGH_WATER_BYTES, Breakage, Connection, ConnectionOwner, Wanted

PATIENT = Deadlines(connect_s=60, first_byte_s=60, idle_s=60, total_s=60)
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


SHORT = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"


class Transport:
    """The other end, in memory."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = self.closed = self.paused = False

    def write(self, data: bytes) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Nobody(ConnectionOwner):
    def lost(self, connection: Connection) -> None:
        pass


class Read(NamedTuple):
    """An answer as one reader took it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    again: bool
    """Whether the connection may be used again."""


def begun() -> tuple[Connection, Transport]:
    connection, transport = Connection(asyncio.get_running_loop(), Nobody()), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]  # as far as a connection needs it
    connection.begin(REQUEST, PATIENT)
    return connection, transport


def ours(pieces: Sequence[bytes], *, closed: bool) -> Read | Breakage | None:
    """None where it is not whole yet."""

    async def run() -> Read | Breakage | None:
        connection, transport = begun()
        for piece in pieces:
            if not transport.aborted:
                connection.data_received(piece)
        if closed or transport.aborted:
            connection.connection_lost(None)
        if connection.broken is not None:
            return connection.broken
        if not connection.is_whole:
            return None
        headers = tuple((name.lower(), _value(name.lower(), value)) for name, value in connection.headers)
        again = connection.can_be_used_again and not transport.is_closing()
        return Read(connection.status, headers, b"".join(connection.take()), again)

    return asyncio.run(run())


def _value(name: bytes, value: bytes) -> bytes:
    """As h11 gives it."""
    return value.lower() if name == b"transfer-encoding" else value


def theirs(pieces: Sequence[bytes], *, closed: bool) -> Read | Breakage | None:
    """By h11."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    status, body, whole = 0, b"", False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    try:
        for data in [*pieces, *([b""] if closed else [])]:
            if not whole:
                client.receive_data(data)
            while not whole:
                event: Any = client.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                if isinstance(event, h11.Response):
                    status, headers = event.status_code, tuple((bytes(n), bytes(v)) for n, v in event.headers)
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    whole = True
                elif isinstance(event, h11.ConnectionClosed):
                    return Breakage.CUT
    except h11.RemoteProtocolError:
        return Breakage.MALFORMED
    if not whole:
        return None
    again = client.their_state is h11.DONE and not client.trailing_data[0].strip(b"\r\n")  # empty lines
    return Read(status, headers, body, again)


def cut_up(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The same in pieces."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(str.strip)
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "keep-alive"})
HEADERS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=5)
BODIES = st.lists(st.binary(min_size=1, max_size=300), max_size=4)
STATUSES = st.integers(200, 599).filter(lambda status: status not in (204, 304))


class Said(NamedTuple):
    """An answer as a provider may write it."""

    data: bytes
    closed: bool


@st.composite
def answers(draw: st.DrawFn) -> Said:
    """Right answers in each of the three framings, with 1xx heads before and trailers behind."""
    lines = [f"{name}: {value}\r\n".encode() for name, value in draw(HEADERS)]
    pieces, framing = draw(BODIES), draw(st.sampled_from(["length", "chunked", "close"]))
    body, tail = b"".join(pieces), b""
    if framing == "length":
        lines.append(b"Content-Length: %d\r\n" % len(body))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: Chunked\r\n")
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        tail = b"0\r\n" + draw(st.sampled_from([b"", b"x-trailer: 1\r\n"])) + b"\r\n"
    if draw(st.booleans()) and framing != "close":
        lines.append(b"Connection: close\r\n")
    before = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]))
    head = b"HTTP/1.1 %d Fine\r\n" % draw(STATUSES) + b"".join(draw(st.permutations(lines))) + b"\r\n"
    return Said(before + head + body + tail, framing == "close" or draw(st.booleans()))


EMPTY_LINES = re.compile(rb"\r\n\r\n[\r\n]+(?=HTTP/1\.1 )")
PLACES = st.lists(st.integers(0, 3000), max_size=8)


@given(answers(), PLACES)
def test_a_right_answer_is_read_as_h11_reads_it_however_it_is_cut(said: Said, places: list[int]) -> None:
    pieces = cut_up(said.data, places)
    judged = theirs(pieces, closed=said.closed)
    assert isinstance(judged, Read)
    found = ours(pieces, closed=said.closed)
    assert isinstance(found, Read)
    assert found[:3] == judged[:3]
    assert judged.again or not found.again


RUBBISH = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"\0",
        b":",
        b"0",
        b"-1",
        b"+5",
        b"5, 5",
        b"ffffffffffffffffff",
        b"content-length: 3\r\n",
        b"content-length: 4\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: identity\r\n",
        b"transfer-encoding : chunked\r\n",
        b"connection: close\r\n",
        b" folded: 1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"\xff",
    ]
)
EDITS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 4), RUBBISH | st.binary(max_size=6)), max_size=4
)


@given(answers(), EDITS, PLACES)
@example(Said(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", False), [(41, 0, b"extra")], [])
@example(
    Said(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", False), [(17, 0, b"content-length: 2\r\n")], []
)
def test_what_is_taken_for_whole_is_what_h11_takes_it_for(
    said: Said, edits: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    """Damaged answers may be refused; none may be read in another way than h11's."""
    data = said.data
    for place, length, rubbish in edits:
        at = place % (len(data) + 1)
        data = data[:at] + rubbish + data[at + length :]
    pieces = cut_up(EMPTY_LINES.sub(b"\r\n\r\n", data), places)  # llhttp reads over them between two heads
    found = ours(pieces, closed=said.closed)
    if isinstance(found, Read):
        judged = theirs(pieces, closed=said.closed)
        assert isinstance(judged, Read), judged
        assert found[:3] == judged[:3]
        assert judged.again or not found.again


@given(answers(), st.binary(max_size=40).filter(lambda data: data.strip(b"\r\n")), st.booleans())
def test_what_comes_behind_an_answer_ends_the_connection_and_not_the_answer(
    said: Said, surplus: bytes, together: bool
) -> None:
    if said.closed:
        return
    alone = ours([said.data], closed=False)
    pieces = [said.data + surplus] if together else [said.data, surplus]
    found = ours(pieces, closed=False)
    assert isinstance(found, Read)
    assert isinstance(alone, Read)
    assert found[:3] == alone[:3]
    assert not found.again


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nx: a\rcontent-length: 0\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    assert ours([head], closed=True) is Breakage.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000 + b"\r\ny: 1\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: 1\r\n" * 20_000,
    ],
    ids=["lines", "a long line", "1xx", "an endless value", "trailers"],
)
def test_a_head_over_the_limits_is_refused(data: bytes) -> None:
    assert ours(cut_up(data, range(0, len(data), 1000)), closed=False) is Breakage.MALFORMED


def test_a_provider_that_speaks_before_it_is_asked_is_left() -> None:
    async def run() -> None:
        connection, transport = begun()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert connection.can_be_used_again
        connection.rest(30.0)
        connection.data_received(b"HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n")
        assert transport.aborted
        assert connection.status == 200

    asyncio.run(run())


def test_a_body_that_nobody_reads_holds_the_provider_back() -> None:
    async def run() -> None:
        connection, transport = begun()
        connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        while not transport.paused:
            connection.data_received(chunk)
        assert connection.waiting_bytes < HIGH_WATER_BYTES + 2 * 65536
        connection.take()
        assert not transport.paused

    asyncio.run(run())


@pytest.mark.parametrize("wanted", list(Wanted)[1:])
def test_whoever_waits_is_woken_when_the_connection_ends(wanted: Wanted) -> None:
    async def run() -> None:
        connection, _ = begun()
        waiting = asyncio.create_task(connection.wait(wanted))
        await asyncio.sleep(0)
        connection.connection_lost(ConnectionResetError())
        async with asyncio.timeout(1):
            await waiting
        assert connection.broken is Breakage.CUT

    asyncio.run(run())


def with_deadlines(deadlines: Deadlines, test: Callable[[Connection, Transport], Any]) -> None:
    async def run() -> None:
        connection, transport = Connection(asyncio.get_running_loop(), Nobody()), Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]  # as above
        connection.begin(REQUEST, deadlines)
        await test(connection, transport)

    asyncio.run(run())


def test_one_timer_serves_all_deadlines_of_a_connection() -> None:
    """The head in time, then a body that pauses; then the next request on the same connection."""

    async def test(connection: Connection, transport: Transport) -> None:
        timer = connection._timer
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
        connection.rest(30.0)
        connection.begin(REQUEST, PATIENT)
        assert connection._timer is timer, "a later deadline sets no new timer"
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na")
        await asyncio.sleep(0.3)
        assert connection.broken is None, "the first request's deadline is over"

    with_deadlines(Deadlines(connect_s=1, first_byte_s=0.1, idle_s=0.1, total_s=0.2), test)


def test_an_idle_connection_is_closed_after_its_time() -> None:
    async def test(connection: Connection, transport: Transport) -> None:
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        connection.rest(0.1)
        await asyncio.sleep(0.3)
        assert transport.closed

    with_deadlines(PATIENT, test)
