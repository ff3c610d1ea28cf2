"""The way out to model providers: the `Upstream` port on connections of our own.

    connect      waiting for a free connection, the name, TCP, the proxy and TLS
    first byte   from the send to the answer's head complete, and on to its body's first byte
                 where idle is shorter
    idle         between two reads of the body; stands still while our own reader is slow
    total        from the send to the end of the body

What became of a request decides what it may cost. Where no byte of it was written the provider did nothing.
From the first byte on the provider may have acted, and the ledger books a break as uncertain.

There is one exception. A connection that a provider closes while we send on it fails before a byte of answer:
its keep-alive ran out as ours was about to be used. Such a call is sent once more on a new connection, and
only then: the connection was a used one, nothing was received, and it broke within `STALE_WINDOW_S` of the
send. RFC 9112, section 9.3.1 lets a client repeat a request that it knows was not acted upon; a provider that
had taken the call would have to die in that window, and dead it bills nothing.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.signing import Signing
from models_registry.target import Deadlines, TlsOptions
from runtime.credentials.fresh import Unsigned
from runtime.upstream.connection import Breakage, Connection, Wanted
from runtime.upstream.dialing import Dialer, Judge, NameUnknown, NotNear, ProxyRefused, Unasked
from runtime.upstream.heads import Unwritable, UrlParts, address_of, head_of
from runtime.upstream.pool import Place, Pool, PoolLimits
from runtime.upstream.proxies import Proxies, Proxy
from runtime.upstream.response import HttpResponse
from runtime.upstream.tls import AS_THE_SYSTEM
from schema.errors.models import NotLocal
from schema.errors.upstream import (
    Unreached,
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotInTime,
    UpstreamTimeout,
    UpstreamUnreachable,
)

ONE_WRITE_BYTES = 256 * 1024
"""A larger request is written in pieces, so that it doesn't hold the loop."""
STALE_WINDOW_S = 1.0


class RequestSigner(Protocol):
    """Signs requests, or adds tokens to them."""

    async def headers(self, signing: Signing, request: UpstreamRequest) -> Mapping[str, str]:
        """The request's headers with what proves who calls. Raises Unsigned."""
        ...


class HttpUpstream:
    """The port's implementation. `start` and `close` belong to the worker's lifespan. `env` has the proxies;
    raises ValueError for one that is none."""

    def __init__(
        self,
        *,
        limits: PoolLimits | None = None,
        env: Mapping[str, str] | None = None,
        tls: TlsOptions = AS_THE_SYSTEM,
        signer: RequestSigner | None = None,
        judge: Judge | None = None,
    ) -> None:
        """`judge` judges where hosts lead that somebody entered through the API."""
        self._judge = judge
        self._limits = limits or PoolLimits()
        self._proxies = Proxies(env or {})
        self._tls = tls
        self._signer = signer
        self._places: dict[str, Place] = {}

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._dialer = Dialer(self._judge)
        self.pool = Pool(self._dialer, self._limits)

    async def close(self) -> None:
        self.pool.close()
        self._dialer.close()
        await asyncio.sleep(0)  # what was aborted is told so in the next turn

    async def resolved(self, host: str, port: int) -> Sequence[str]:
        """The IP addresses of a host. Raises OSError where it has none."""
        try:
            found = await self._dialer.addresses(host, port)
        except NameUnknown as exc:
            raise OSError("the name has no address") from exc
        return [str(each[4][0]) for each in found]

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy of the environment that stands before a host."""
        return self._proxies.proxy_for(scheme, host, port)

    async def open(
        self, request: UpstreamRequest, deadlines: Deadlines, *, near: bool = False, judged: bool = False
    ) -> HttpResponse:
        began_mono = time.monotonic()
        if request.signing is not None:
            request = await self._signed(request, request.signing)
        try:
            address = address_of(request.url)
            judged = judged and not near  # a near address is private, which is what was asked for
            place = self._place(address, request.tls, near=near, judged=judged)
            through = None
            if place.proxy is not None and not place.tunnels:
                secret = place.proxy.authorization
                through = "" if secret is None else secret.reveal()
            head = head_of(request.method, address, request.headers, len(request.body), through=through)
        except Unwritable as exc:
            raise UpstreamUnreachable(
                "The request to the provider can't be written: an administrator has to check "
                "that deployment's address, key and headers."
            ) from exc
        may_repeat = True
        while True:
            connection = self.pool.resting(place) or await self._connected(place, address, deadlines)
            may_repeat = may_repeat and connection.uses > 0
            if await self._sent(connection, head, request.body, address, deadlines, may_repeat=may_repeat):
                return HttpResponse(connection, self.pool, deadlines, began_mono=began_mono)
            may_repeat = False

    async def _signed(self, request: UpstreamRequest, signing: Signing) -> UpstreamRequest:
        """Raises UpstreamUnreachable where there is no credential: nothing was sent."""
        assert self._signer is not None, "a worker's client has a signer"
        try:
            headers = dict(await self._signer.headers(signing, request))
        except Unsigned as exc:
            raise UpstreamUnreachable(
                f"The call to the provider can't be signed: {exc}.", at=Unreached.CREDENTIAL
            ) from exc
        return msgspec.structs.replace(request, headers=headers)

    async def _sent(
        self,
        connection: Connection,
        head: bytes,
        body: bytes,
        address: UrlParts,
        deadlines: Deadlines,
        *,
        may_repeat: bool,
    ) -> bool:
        """True where the answer's head is there. False where the provider closed the connection before it
        read the request: the request may be sent again. Never false without `may_repeat`."""
        sent_at = self._loop.time()
        try:
            if len(head) + len(body) <= ONE_WRITE_BYTES:
                connection.begin(head + body, deadlines)
            else:
                connection.begin(head, deadlines)
                await connection.write(body)
            while not connection.has_head and connection.broken is None:
                await connection.wait(Wanted.HEAD)
        except BaseException:
            connection.abort()
            raise
        if connection.has_head and connection.broken in (None, Breakage.CUT, Breakage.MALFORMED):
            return True
        if (
            may_repeat
            and connection.broken is Breakage.CUT
            and not connection.received
            and self._loop.time() - sent_at < STALE_WINDOW_S
        ):
            return False
        raise _unanswered(connection.broken, deadlines)

    async def _connected(self, place: Place, address: UrlParts, deadlines: Deadlines) -> Connection:
        """Raises UpstreamUnreachable: nothing was sent."""
        try:
            async with asyncio.timeout(deadlines.connect_s):
                return await self.pool.connection(place)
        except TimeoutError as exc:
            if self.pool.is_full(place):
                raise UpstreamBusy(
                    f"All connections that may be open to the provider are in use, and none was free within "
                    f"{deadlines.connect_s:g} s.",
                    retry_after_s=1,
                ) from exc
            raise UpstreamNotInTime(
                f"No connection to the provider within {deadlines.connect_s:g} s."
            ) from exc
        except NameUnknown as exc:
            if place.proxy is not None:
                raise UpstreamUnreachable(
                    "The name of the proxy to the provider could not be resolved.", at=Unreached.PROXY
                ) from exc
            raise UpstreamUnreachable(
                "The name of the provider's host could not be resolved.", at=Unreached.NAME
            ) from exc
        except NotNear as exc:
            raise NotLocal(
                "The deployment leads to a public address, and a call that stays local (local_only, or "
                "residency: local) does not go there.",
                param="model",
            ) from exc
        except Unasked as exc:
            raise UpstreamUnreachable(
                f"The deployment's address was entered through the API, and is not called: {exc}."
            ) from exc
        except ProxyRefused as exc:
            raise UpstreamUnreachable(
                f"The proxy makes no connection to the provider: {exc}.", at=Unreached.PROXY
            ) from exc
        except ssl.SSLError as exc:
            raise UpstreamUnreachable(
                "The provider could not prove who it is: its TLS certificate is not valid here.",
                at=Unreached.TLS,
            ) from exc
        except OSError as exc:
            raise UpstreamUnreachable("No connection to the provider.") from exc

    def _place(
        self, address: UrlParts, tls: TlsOptions | None, *, near: bool = False, judged: bool = False
    ) -> Place:
        key = f"{address.scheme}://{address.host}:{address.port}"
        if tls is not None:
            key = f"{key} {tls!r}"
        if near:
            key = f"near {key}"
        if judged:
            key = f"judged {key}"
        place = self._places.get(key)
        if place is None:
            proxy = None
            if not near:
                proxy = self._proxies.proxy_for(address.scheme, address.host, address.port)
            place = Place(address.scheme, address.host, address.port, proxy, tls or self._tls, near, judged)
            if len(self._places) > 10_000:
                self._places.clear()
            self._places[key] = place
        return place


def _unanswered(why: Breakage | None, deadlines: Deadlines) -> UpstreamError:
    """What became of a request without an answer. Callers see the message, so it names no host."""
    match why:
        case Breakage.LATE:
            return UpstreamTimeout(
                f"The provider did not begin to answer within {deadlines.first_byte_s:g} s."
            )
        case Breakage.TOTAL:
            return UpstreamTimeout(f"The provider did not begin to answer within {deadlines.total_s:g} s.")
        case Breakage.MALFORMED:
            return UpstreamMalformed("The provider did not answer in HTTP, or with a head over the limit.")
        case _:
            return UpstreamCut("The provider closed the connection without an answer.")
