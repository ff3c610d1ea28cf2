"""The sockets on which granian serves, with what it has no settings for: clients that read nothing, are gone
without a word, or say nothing.

granian makes each worker's listening socket itself; it is found among the files of this process. What is set
there holds for every connection accepted from then on. Only Linux has all of it: elsewhere nothing is set.
"""

import asyncio
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

UNREAD_S = 60
"""How long what was sent may stay unread, or the other side without a sign of life."""
KEEPALIVE_S = 30
SILENT_S = 30.0
"""How long a connection may say nothing, or less than an HTTP/2 preface."""
PREFACE_BYTES = 24
SWEEP_S = 5.0
LOOK_S = 0.1
LOOKS = 100
BYTES_RECEIVED_AT = 128
"""Where the number of received bytes stands in Linux's `struct tcp_info`."""
OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_USER_TIMEOUT", UNREAD_S * 1000),
            ("TCP_KEEPIDLE", KEEPALIVE_S),
            ("TCP_KEEPINTVL", KEEPALIVE_S // 3),
        )
        if hasattr(socket, name)
    ),
)


async def bound_connections(*, silent_too: bool) -> None:
    """Set the options once granian listens; then, where `silent_too`, end silent connections until cancelled.
    In its HTTP/1 mode granian ends those itself, by its time-out for heads."""
    if sys.platform != "linux":
        return
    for _ in range(LOOKS):
        if set_options():
            break
        await asyncio.sleep(LOOK_S)
    silent = Silent()
    while silent_too:
        await asyncio.sleep(SWEEP_S)
        silent.sweep()


def set_options() -> int:
    """Gives how many listening sockets there are."""
    found = 0
    for sock in _sockets():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found += 1
            for level, option, value in OPTIONS:
                sock.setsockopt(level, option, value)
    return found


class Silent:
    """Connections that have said nothing yet, and since when. Those that this process made to others have
    another port at this end."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s = silent_s
        self._since: dict[object, float] = {}

    def sweep(self) -> int:
        """End those that were silent for too long; gives how many."""
        now, ended = time.monotonic(), 0
        ports = {sock.getsockname()[1] for sock in _sockets() if _listens(sock)}
        silent: dict[object, float] = {}
        for sock in _sockets():
            with suppress(OSError):  # it has ended meanwhile
                if _listens(sock) or sock.getsockname()[1] not in ports or _received(sock) >= PREFACE_BYTES:
                    continue
                peer = sock.getpeername()
                silent[peer] = self._since.get(peer, now)
                if now - silent[peer] >= self._silent_s:
                    sock.shutdown(socket.SHUT_RDWR)
                    ended += 1
        self._since = silent
        return ended


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _received(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_RECEIVED_AT + 8)
    return int(struct.unpack_from("=Q", info, BYTES_RECEIVED_AT)[0])


def _sockets() -> Iterator[socket.socket]:
    """This process's TCP sockets, each as long as it is looked at."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError), _duplicate(int(name)) as sock:
            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                yield sock


@contextmanager
def _duplicate(fd: int) -> Iterator[socket.socket | None]:
    """None where it is no stream socket."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        yield None
        return
    with socket.socket(fileno=os.dup(fd)) as sock:
        yield sock if sock.type == socket.SOCK_STREAM else None
