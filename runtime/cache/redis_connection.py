"""A connection to Redis over a socket of our own, whose address was judged before anything is sent.

redis-py would ask for the host's address itself, and would follow a server that says where it moves to. Here
both are settled beforehand: the store opens the socket, and redis-py speaks over it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from redis.asyncio import Connection, SSLConnection

Dial = Callable[[], Awaitable[socket.socket]]
"""A connected socket. Raises for an address that may not be asked."""


class OwnSocketConnection(Connection):
    """A connection over a socket that the store opened."""

    def __init__(self, *, dial: Dial, **facts: Any) -> None:  # redis-py's own
        super().__init__(**facts)
        self._dial = dial
        self._dialled: socket.socket | None = None

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._dialled = await self._dial()
        try:
            await super()._connect()  # type: ignore[no-untyped-call]  # redis-py leaves this one untyped
        except BaseException:
            self._dialled.close()
            raise
        finally:
            self._dialled = None

    def _connection_arguments(self) -> Mapping[str, Any]:
        """What redis-py gives to `asyncio.open_connection`: our socket in place of a host. The host stays the
        name that the certificate must have."""
        given = dict(super()._connection_arguments())
        host, _ = given.pop("host"), given.pop("port")
        return given | {"sock": self._dialled} | ({"server_hostname": host} if "ssl" in given else {})


class OwnSocketTls(OwnSocketConnection, SSLConnection):
    """The same with TLS."""
