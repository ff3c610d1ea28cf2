"""HTTP requests that are not model calls: webhooks, public files, tokens and keys, and looks at local
servers. They go through httpx; Authlib, for people who sign in, through its successor httpx2.

httpx is imported when something goes out, or an address is judged. A start imports this module in each of its
processes, and httpx takes 45 ms.
"""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

MAX_BYTES = 4 * 1024 * 1024
MAX_LINE_CHARS = 64 * 1024


class Unreachable(Exception):
    """There was no usable answer. The message says why in a few words."""


def _authorities(*, named: bool = True) -> ssl.SSLContext:
    """TLS by the authorities that the environment names, where `named`, or by httpx's own. Raises
    Unreachable."""
    places = ssl.get_default_verify_paths() if named else None
    try:
        return _context(places, "" if places is None else _looks(places.cafile, places.capath))
    except OSError as exc:
        raise Unreachable("the file of the authorities can't be read") from exc


@lru_cache(maxsize=8)
def _context(places: ssl.DefaultVerifyPaths | None, looks: str) -> ssl.SSLContext:
    """To read all authorities takes 60 ms, for which each client would hold up its worker. `looks` changes
    where they do."""
    import httpx

    return httpx.create_ssl_context(trust_env=places is not None)


def _looks(*paths: str | None) -> str:
    """When files and folders were changed, and how large they are."""
    found = (os.stat(path) for path in paths if path is not None and os.path.exists(path))
    return " ".join(f"{each.st_mtime_ns} {each.st_size}" for each in found)


def flaw_of(url: str) -> str | None:
    """Why nothing can ever be posted to an address. The words have no part of the address, which may be a
    secret. None where the address may work."""
    import httpx

    try:
        url.encode()
        urlsplit(url)  # it is stricter with IPv6 addresses than httpx is
        parsed = httpx.Request("POST", url).url
    except Exception:  # each kind of bad address raises another exception
        return "it is no address"
    if parsed.scheme not in ("http", "https"):
        return "it does not start with https://"
    if not parsed.host:
        return "it has no host"
    if parsed.port is not None and not 0 < parsed.port < 65536:
        return "its port is not one of 1 to 65535"
    return None


async def post_json(url: str, content: object, timeout_s: float) -> None:
    """POST a JSON document. Any 2xx status is a success. Redirects are not followed, and the proxies in the
    environment are used. Raises Unreachable, with a message that has no part of the address."""
    import httpx

    headers = {"content-type": "application/json"}
    try:
        async with (
            httpx.AsyncClient(verify=_authorities(), timeout=timeout_s, follow_redirects=False) as client,
            client.stream("POST", url, content=msgspec.json.encode(content), headers=headers) as answer,
        ):
            if not answer.is_success:
                raise Unreachable(f"status {answer.status_code}")
    except Unreachable:
        raise
    except Exception as exc:  # such as for a bad proxy, a port beyond 65535, half of a surrogate pair
        raise Unreachable(type(exc).__name__) from None


def get_file(url: str, *, timeout_s: float, max_bytes: int) -> bytes:
    """GET a public file. Redirects are followed, and the proxies in the environment are used. Raises
    Unreachable."""
    import httpx

    data = bytearray()
    try:
        with httpx.stream(
            "GET", url, verify=_authorities(), follow_redirects=True, timeout=timeout_s
        ) as answer:
            if answer.status_code != 200:
                raise Unreachable(f"status {answer.status_code}")
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > max_bytes:
                    raise Unreachable(f"more than {max_bytes >> 20} MiB")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unreachable(type(exc).__name__) from exc
    return bytes(data)


def get_json(url: str, *, timeout_s: float) -> Any:  # JSON has values of any type
    """GET a JSON document of 4 MiB at most. Redirects are not followed, and the proxies in the environment
    are not used. Raises Unreachable."""
    import httpx

    try:
        with (
            httpx.Client(
                verify=_authorities(named=False), timeout=timeout_s, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise Unreachable(f"status {answer.status_code}")
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unreachable(f"more than {MAX_BYTES} bytes")
    except httpx.HTTPError as exc:
        raise Unreachable(type(exc).__name__) from exc
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        raise Unreachable("not JSON") from exc


async def answer_of(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes | None = None,
    proxied: bool = True,
) -> bytes:
    """The body of a good answer, of 4 MiB at most. Redirects are not followed. `proxied`: the proxies in the
    environment are used. Raises Unreachable, with a message that has no part of the address or the body."""
    import httpx

    try:
        async with (
            httpx.AsyncClient(
                verify=_authorities(named=proxied),
                timeout=timeout_s,
                follow_redirects=False,
                trust_env=proxied,
            ) as client,
            client.stream(method, url, content=content, headers=dict(headers)) as answer,
        ):
            if answer.status_code != 200:
                raise Unreachable(f"status {answer.status_code}")
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unreachable(f"more than {MAX_BYTES} bytes")
            return body
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unreachable(type(exc).__name__) from exc


async def lines_of(method: str, url: str, content: bytes, *, idle_s: float) -> AsyncIterator[bytes]:
    """The lines of an answer, as they come: of a program that reports how far it is. The proxies in the
    environment are not used. Raises Unreachable."""
    import httpx

    timeout = httpx.Timeout(10.0, read=idle_s)
    try:
        async with (
            httpx.AsyncClient(
                verify=_authorities(named=False), timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(method, url, content=content) as answer,
        ):
            async for line in answer.aiter_lines():
                if len(line) > MAX_LINE_CHARS:
                    raise Unreachable(f"a line of more than {MAX_LINE_CHARS} characters")
                if line.strip():
                    yield line.encode()
            if answer.status_code >= 400:
                raise Unreachable(f"status {answer.status_code}")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unreachable(type(exc).__name__) from exc


def answer_at(
    method: str, url: str, *, headers: Mapping[str, str], timeout_s: float, content: bytes | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """The status, headers and body of any answer, of 4 MiB at most. Redirects are not followed, and the
    proxies in the environment are used. Raises Unreachable."""
    import httpx

    try:
        with (
            httpx.Client(verify=_authorities(), timeout=timeout_s, follow_redirects=False) as client,
            client.stream(method, url, content=content, headers=dict(headers)) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unreachable(f"more than {MAX_BYTES} bytes")
            return answer.status_code, dict(answer.headers), body
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unreachable(type(exc).__name__) from exc


def oauth_client(client_id: str, client_secret: str, *, auth_method: str, timeout_s: float) -> Any:
    """Authlib's client for one exchange with a provider that people sign in at. Answers have 4 MiB at most,
    redirects are not followed, and the proxies in the environment are used. It has no types; it is used as
    `async with`."""
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    return AsyncOAuth2Client(
        client_id=client_id,
        client_secret=client_secret,
        token_endpoint_auth_method=auth_method,
        timeout=timeout_s,
        verify=_authorities(),
        follow_redirects=False,
        event_hooks={"response": [_read_bounded]},
    )


async def _read_bounded(answer: Any) -> None:  # an httpx2.Response whose body is not read yet
    import httpx2

    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise httpx2.DecodingError(f"more than {MAX_BYTES} bytes", request=answer.request)
    answer._content = body
