"""Ends connections for which granian has no setting: the client reads nothing, has disappeared, or sends
nothing.

granian itself makes each worker's listening socket. This file finds it among the open files of the process.
The options that are set on it hold for every connection that is accepted after that. Only Linux has all of
the options, so nothing is set on other systems.
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
"""How long sent bytes may stay without acknowledgement, and how long the client may give no sign of life."""
KEEPALIVE_S = 30
"""After so long without traffic the kernel probes the client."""
SILENT_S = 30.0
"""How long a client may send nothing, or less than an HTTP/2 preface."""
PREFACE_BYTES = 24
SWEEP_S = 5.0
"""How often silent connections are looked for."""
LOOK_S = 0.1
LOOKS = 100
"""How many times the listening socket is looked for at the start, with LOOK_S between two looks."""
BYTES_RECEIVED_AT = 128
"""The offset of the number of received bytes in Linux's `struct tcp_info`."""
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
    """Set the options as soon as granian listens. With `silent_too`, then end silent connections until this
    is cancelled. In HTTP/1 mode granian ends silent connections itself, by its time-out for heads."""
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
    """Set the options on the listening sockets. Gives how many there are."""
    found = 0
    for sock in _sockets():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found += 1
            for level, option, value in OPTIONS:
                sock.setsockopt(level, option, value)
    return found


class Silent:
    """The connections on which the client has sent nothing yet, and since when. Connections that this process
    has opened itself have another local port, and are left alone."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s = silent_s
        self._since: dict[object, float] = {}

    def sweep(self) -> int:
        """End the connections that were silent for too long. Gives how many."""
        now, ended = time.monotonic(), 0
        ports = {sock.getsockname()[1] for sock in _sockets() if _listens(sock)}
        silent: dict[object, float] = {}
        for sock in _sockets():
            with suppress(OSError):  # the connection may have ended meanwhile
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
    """The TCP sockets of this process. Each is a duplicate that is closed before the next one is given."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError), _duplicate(int(name)) as sock:
            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                yield sock


@contextmanager
def _duplicate(fd: int) -> Iterator[socket.socket | None]:
    """A duplicate of a stream socket, by its file descriptor. None for any other file."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        yield None
        return
    with socket.socket(fileno=os.dup(fd)) as sock:
        yield sock if sock.type == socket.SOCK_STREAM else None
