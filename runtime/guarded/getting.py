"""One GET that goes only where the guard lets it, redirects included."""

import ssl
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import httpx

from models_registry.config.hosts import PORTS
from runtime.guarded.guard import Forbidden, Guard
from runtime.upstream.proxies import Proxy

CONNECT_S = 5.0
IDLE_S = 10.0
MAX_REDIRECTS = 3
HEADERS = MappingProxyType({"user-agent": "switchgear", "accept-encoding": "identity"})


class Whole(NamedTuple):
    """An answer of status 200. `content_type` is its header, if it has one."""

    content_type: str | None
    body: bytes


async def whole(
    url: str, way: Guard | Proxy, context: ssl.SSLContext, *, max_bytes: int, count: Callable[[int], None]
) -> Whole:
    """What stands at an address. With a guard it is reached directly, with a proxy through that, without
    redirects. `count` is told of each piece's bytes. Raises Forbidden with the reason
    where there is nothing to be had, and what `count` raises."""
    try:
        return await _whole(url, way, context, max_bytes=max_bytes, count=count)
    except httpx.TooManyRedirects:
        reason = f"it redirects more than {MAX_REDIRECTS} times"
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        reason = "it is, or redirects to, what is no address"
    except httpx.TimeoutException:
        reason = "the host was silent for too long"
    except httpx.ConnectError as exc:
        unproven = "certificate" in str(exc).lower()
        reason = "the host's certificate is not believed" if unproven else "the host can't be reached"
    except httpx.HTTPError:
        reason = "the host's answer broke off, or is not HTTP"
    except OSError:
        reason = "the host's name has no address"
    except (UnicodeError, ValueError):
        reason = "its host is no name"
    raise Forbidden(reason)


async def _whole(
    url: str, way: Guard | Proxy, context: ssl.SSLContext, *, max_bytes: int, count: Callable[[int], None]
) -> Whole:
    async with _client(way, context) as client, client.stream("GET", url, headers=HEADERS) as answer:
        if answer.status_code != 200:
            raise Forbidden(f"the host answers with status {answer.status_code}")
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise Forbidden("the host compresses its answer")
        body = bytearray()
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > max_bytes:
                raise Forbidden(f"it has more than {max_bytes / 1024 / 1024:g} MB")
            count(len(piece))
        return Whole(answer.headers.get("content-type"), bytes(body))


def _client(way: Guard | Proxy, context: ssl.SSLContext) -> httpx.AsyncClient:
    timeout = httpx.Timeout(IDLE_S, connect=CONNECT_S)
    if isinstance(way, Proxy):
        headers = {} if way.authorization is None else {"proxy-authorization": way.authorization.reveal()}
        host = f"[{way.host}]" if ":" in way.host else way.host
        proxy = httpx.Proxy(f"http://{host}:{way.port}", headers=headers)
        return httpx.AsyncClient(
            proxy=proxy, timeout=timeout, verify=context, follow_redirects=False, trust_env=False
        )
    return httpx.AsyncClient(
        transport=GuardedTransport(way, context),
        timeout=timeout,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to an address that was judged. The name in the address stays that of the certificate and of
    the `Host` header. A connection serves one request: a kept one would be known by its address alone, and
    serve another name."""

    def __init__(self, guard: Guard, context: ssl.SSLContext) -> None:
        self._guard = guard
        self._inner = httpx.AsyncHTTPTransport(
            verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises Forbidden, OSError for a name without an address, and httpx's errors."""
        url = request.url
        if url.scheme not in PORTS:
            raise httpx.UnsupportedProtocol("only http and https are asked", request=request)
        reason = "the host has no address"
        for address in await self._guard.addresses(url.host, url.port or PORTS[url.scheme]):
            there = httpx.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": url.host},
            )
            try:
                return await self._inner.handle_async_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                reason = str(exc)
        raise httpx.ConnectError(reason, request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()
