"""From a provider's name to an open socket: names off the loop, both families raced, through a proxy if need
be."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread

import aiohappyeyeballs

from models_registry.config.networks import Network, gives_credentials, network_of
from runtime.upstream.proxies import Proxy

FRESH_S = 10.0
"""How long an answer about a name is believed."""
NEXT_FAMILY_S = 0.25
"""How long an address has before the next one is tried beside it (RFC 8305)."""
RESOLVERS = 4
MAX_NAMES = 1_000
MAX_REPLY_BYTES = 16 * 1024

Addresses = Sequence[aiohappyeyeballs.AddrInfoType]
Judge = Callable[[str, int, str | None], str | None]
"""Why a host with a port may not be asked at an address as which it was resolved, or at the one that a proxy
finds (None). None: it may."""


class NameUnknown(Exception):
    """A host's name has no address, or the proxy's."""


class GivesCredentials(NameUnknown):
    """A host leads to where a cloud gives its machines' credentials. It counts as one without an address."""


class NotNear(Exception):
    """A host has a public address, and the call may not go to one."""


class Unasked(Exception):
    """A host that somebody entered through the API leads where such a host may not. The message says why."""


class ProxyRefused(Exception):
    """A proxy makes no connection to the provider: nothing was sent to that."""


class Dialer:
    """Opens sockets. Its threads for names are its own, and the process ends without them: a resolver that
    hangs keeps no other work and no stop waiting."""

    def __init__(self, judge: Judge | None = None) -> None:
        """`judge` judges hosts that somebody entered through the API."""
        self._judge = judge
        self._turns = asyncio.Semaphore(RESOLVERS)
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Addresses]] = {}

    def close(self) -> None:
        for asking in list(self._asking.values()):
            asking.cancel()

    async def dial(
        self,
        host: str,
        port: int,
        *,
        proxy: Proxy | None,
        tunnel: bool,
        near: bool = False,
        judged: bool = False,
    ) -> socket.socket:
        """A connected socket: to the host, or to the proxy; with `tunnel` on from there to the host. `near`:
        every address of the host has to be this machine's or a private network's. `judged`: each of them has
        to pass the judge, and so has a host whose address a proxy finds. Raises NameUnknown, NotNear,
        Unasked, ProxyRefused, OSError."""
        if judged and proxy is not None and self._judge is not None:
            reason = self._judge(host, port, None)
            if reason is not None:
                raise Unasked(reason)
        first = (host, port) if proxy is None else (proxy.host, proxy.port)
        addresses = await self.addresses(*first)
        if any(_is_metadata(str(each[4][0])) for each in addresses):
            raise GivesCredentials(host)
        if near and not all(_is_near(str(each[4][0])) for each in addresses):
            raise NotNear(host)
        if judged and proxy is None and self._judge is not None:
            for each in addresses:
                if (reason := self._judge(host, port, str(each[4][0]))) is not None:
                    raise Unasked(reason)
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_FAMILY_S, interleave=1, loop=asyncio.get_running_loop()
        )
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy is not None and tunnel:
                await _tunnel(sock, host, port, proxy)
        except BaseException:
            sock.close()
            raise
        return sock

    async def addresses(self, host: str, port: int) -> Addresses:
        """The addresses of a host, asked for once for all who dial the same name at once. Raises
        NameUnknown."""
        loop, name = asyncio.get_running_loop(), (host, port)
        known = self._known.get(name)
        if known is not None and loop.time() < known[0]:
            return known[1]
        asking = self._asking.get(name)
        if asking is None:
            asking = loop.create_task(self._look_up(host, port))
            self._asking[name] = asking
            asking.add_done_callback(lambda done: self._learn(name, done))
        try:
            return await asyncio.shield(asking)
        except (OSError, UnicodeError) as exc:
            raise NameUnknown(host) from exc

    async def _look_up(self, host: str, port: int) -> Addresses:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Addresses] = loop.create_future()

        def look_up() -> None:
            try:
                told = partial(_tell, found, _addresses_of(host, port))
            except Exception as exc:
                told = partial(_tell_error, found, exc)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(told)

        async with self._turns:
            Thread(target=look_up, name=f"name {host[:40]}", daemon=True).start()
            return await found

    def _learn(self, name: tuple[str, int], done: "asyncio.Task[Addresses]") -> None:
        self._asking.pop(name, None)
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[name] = (asyncio.get_running_loop().time() + FRESH_S, done.result())


def _is_metadata(address: str) -> bool:
    """Whether a cloud gives its machines' credentials at an address. No provider is there, whatever a name
    leads to."""
    try:
        return gives_credentials(ipaddress.ip_address(address))
    except ValueError:
        return False


def _is_near(address: str) -> bool:
    try:
        return network_of(ipaddress.ip_address(address)) in (Network.PRIVATE, Network.SHARED)
    except ValueError:
        return False


def _tell(future: "asyncio.Future[Addresses]", addresses: Addresses) -> None:
    if not future.done():
        future.set_result(addresses)


def _tell_error(future: "asyncio.Future[Addresses]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _addresses_of(host: str, port: int) -> Addresses:
    found: Addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return found


async def _tunnel(sock: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    """Have a proxy connect us to a host (RFC 9110, section 9.3.6)."""
    loop = asyncio.get_running_loop()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
    if proxy.authorization is not None:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    reply = b""
    while not reply.endswith(b"\r\n\r\n"):
        if len(reply) > MAX_REPLY_BYTES or b"\r\n\r\n" in reply:
            raise ProxyRefused("its answer is not one to CONNECT")
        piece = await loop.sock_recv(sock, 4096)
        if not piece:
            raise ProxyRefused("it closed the connection")
        reply += piece
    words = reply.split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProxyRefused("its answer is not HTTP")
    if not words[1].startswith(b"2"):
        raise ProxyRefused(f"status {words[1].decode()[:3]}")
