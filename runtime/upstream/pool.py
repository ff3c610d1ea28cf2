"""Connections to providers that are open, in use or resting, within a limit a host and one in all."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import NamedTuple

import msgspec

from models_registry.target import TlsOptions
from runtime.upstream.connection import Connection, ConnectionOwner
from runtime.upstream.dialing import Dialer
from runtime.upstream.proxies import Proxy
from runtime.upstream.tls import context_of

KEEP_ALIVE_S = 30.0
"""How long a connection rests before it is closed."""


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections a worker has at most."""

    a_host: int = 8_192
    in_all: int = 16_384


class Place(NamedTuple):
    """Where connections lead that can stand in for each other."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None
    tls: TlsOptions
    near: bool = False
    """Whether the address that is connected to has to be this machine's or a private network's."""
    judged: bool = False
    """Whether somebody entered the host through the API, so that it is judged where its name leads."""

    @property
    def tunnels(self) -> bool:
        """Whether the proxy only connects: it sees nothing of what is said."""
        return self.proxy is not None and self.scheme == "https"


class _PlaceConnections(ConnectionOwner):
    """The connections to one place."""

    def __init__(self, pool: "Pool", place: Place) -> None:
        self._pool = pool
        self.place = place
        self.open = 0
        """Connections that are in use, rest, or are being made."""
        self.resting: deque[Connection] = deque()
        """The one that was used last stands at the end."""
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()
        """Calls that wait for one of the connections, or for leave to make one (None)."""

    def lost(self, connection: Connection) -> None:
        with suppress(ValueError):
            self.resting.remove(connection)
        self._pool.lost(self, connection)


class Pool:
    """One a worker. Made in its loop."""

    def __init__(self, dialer: Dialer, limits: PoolLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer
        self._limits = limits
        self._origins: dict[Place, _PlaceConnections] = {}
        self._made: set[Connection] = set()
        self._open = 0

    @property
    def open(self) -> int:
        """Connections that are open or being made."""
        return self._open

    def resting(self, place: Place) -> Connection | None:
        """A connection that can be used at once. It is the caller's, to give back or to abort."""
        origin = self._origins.get(place)
        while origin is not None and origin.resting:
            connection = origin.resting.pop()
            if not connection.is_open:
                continue
            if self._loop.time() - connection.idle_since < KEEP_ALIVE_S:
                return connection
            connection.close()
        return None

    async def connection(self, place: Place) -> Connection:
        """A new connection, or, where there is no room for one, the next that somebody gives back. Raises
        NameUnknown, NotNear, Unasked, ProxyRefused, ssl.SSLError, OSError."""
        while True:
            origin = self._origins.get(place)
            if origin is None:
                origin = self._origins[place] = _PlaceConnections(self, place)
            if self._has_room(origin):
                self._count(origin, 1)
                break
            given = await self._turn(origin)
            if given is None:
                break
            if given.is_open:
                return given
        try:
            return await self._make(origin)
        except BaseException:
            self._count(origin, -1)
            self._let_others()
            raise

    def is_full(self, place: Place) -> bool:
        """Whether a call to a place has to wait until another one is over."""
        origin = self._origins.get(place)
        return self._open >= self._limits.in_all or (
            origin is not None and origin.open >= self._limits.a_host
        )

    def give_back(self, connection: Connection) -> None:
        """Its answer was read to the end, or it was never used."""
        origin = connection.owner
        assert isinstance(origin, _PlaceConnections), "the pool made it"
        if not connection.is_open or (connection.uses and not connection.can_be_used_again):
            connection.close()
            return
        while origin.waiting:
            waiter = origin.waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if self._open >= self._limits.in_all and any(each.waiting for each in self._origins.values()):
            connection.close()  # a call to another host waits for its place
            return
        connection.rest(KEEP_ALIVE_S)
        origin.resting.append(connection)

    def lost(self, origin: _PlaceConnections, connection: Connection) -> None:
        """A connection has ended."""
        if connection in self._made:
            self._made.discard(connection)
            self._count(origin, -1)
            self._let_others()

    def close(self) -> None:
        """End all of them, in use or not."""
        for connection in list(self._made):
            connection.abort()

    async def _turn(self, origin: _PlaceConnections) -> Connection | None:
        """Wait for a connection, or for leave to make one, which is counted then."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        origin.waiting.append(waiter)
        if origin.open < self._limits.a_host:
            self._end_a_resting_one()
        try:
            return await waiter
        except BaseException:
            if not waiter.done() or waiter.cancelled():
                with suppress(ValueError):
                    origin.waiting.remove(waiter)
                self._count(origin, 0)
            elif (given := waiter.result()) is not None:
                self.give_back(given)
            else:
                self._count(origin, -1)
                self._let_others()
            raise

    async def _make(self, origin: _PlaceConnections) -> Connection:
        place = origin.place
        context = context_of(place.tls) if place.scheme == "https" else None
        sock = await self._dialer.dial(
            place.host,
            place.port,
            proxy=place.proxy,
            tunnel=place.tunnels,
            near=place.near,
            judged=place.judged,
        )
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop, origin),
                sock=sock,
                ssl=context,
                server_hostname=place.host if context is not None else None,
            )
        except BaseException:
            sock.close()
            raise
        if not connection.is_open:
            raise ConnectionResetError("the provider closed the connection at once")
        self._made.add(connection)
        return connection

    def _has_room(self, origin: _PlaceConnections) -> bool:
        return origin.open < self._limits.a_host and self._open < self._limits.in_all

    def _count(self, origin: _PlaceConnections, more: int) -> None:
        origin.open += more
        self._open += more
        if not origin.open and not origin.waiting:
            self._origins.pop(origin.place, None)

    def _let_others(self) -> None:
        """There is room for a connection: whoever waits may make one."""
        for origin in list(self._origins.values()):
            while origin.waiting and self._has_room(origin):
                waiter = origin.waiting.popleft()
                if not waiter.done():
                    self._count(origin, 1)
                    waiter.set_result(None)

    def _end_a_resting_one(self) -> None:
        """One that rests elsewhere makes room; whoever waits is told when it is lost."""
        for origin in self._origins.values():
            if origin.resting:
                origin.resting.popleft().abort()
                return
