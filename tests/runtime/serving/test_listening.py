"""What is set on the sockets that clients come in by, and what happens to silent clients."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from runtime.serving.listening import PREFACE_BYTES, UNREAD_S, Silent, set_options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these options")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A client, and the server's end of its connection."""
    client = socket.create_connection(server.getsockname())
    return client, server.accept()[0]


def test_what_is_set_on_a_listening_socket_holds_for_those_who_come_in(listening: socket.socket) -> None:
    assert set_options() >= 1
    client, end = connected(listening)
    with client, end:
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNREAD_S * 1000
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_the_kernel_ends_a_connection_whose_client_reads_nothing(listening: socket.socket) -> None:
    """With a second in place of a minute."""
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000)
    client, end = connected(listening)
    with client, end:
        end.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionError)) as caught:
            stuff(end, until_mono=time.monotonic() + 20)
        assert caught.value.errno


def stuff(end: socket.socket, *, until_mono: float) -> None:
    """Send without pause. Raises what the kernel says, and not that our own waiting took long."""
    while time.monotonic() < until_mono:
        try:
            end.send(b"x" * 1_000_000)
        except TimeoutError as exc:
            if exc.errno:
                raise


def test_a_connection_that_says_nothing_is_ended_and_one_that_speaks_is_not(listening: socket.socket) -> None:
    silent, speaking = connected(listening), connected(listening)
    speaking[0].sendall(b"x" * PREFACE_BYTES)
    silent[0].sendall(b"PRI")
    sweeper = Silent(silent_s=0.05)
    assert sweeper.sweep() == 0
    time.sleep(0.06)  # the kernel's clock and ours
    assert sweeper.sweep() == 1
    for each, ended in ((silent, True), (speaking, False)):
        client, end = each
        with client, end:
            client.settimeout(0.2)
            if ended:
                assert client.recv(1) == b""
            else:
                with pytest.raises(TimeoutError):
                    client.recv(1)
