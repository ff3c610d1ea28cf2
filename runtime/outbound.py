"""The way out for everything that is not model traffic: one configured httpx client.

httpx is imported when something goes out, or an address is judged: a start imports this module in each of its
processes, and httpx takes 45 ms.
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec

MAX_BYTES = 4 * 1024 * 1024


class Unreachable(Exception):
    """No usable answer; the message says why in a few words."""


def flaw_of(url: str) -> str | None:
    """Why nothing can ever be posted to an address, in words that have nothing of it; None where it may
    work."""
    import httpx

    try:
        url.encode()
        urlsplit(url)  # stricter with an IPv6 address
        parsed = httpx.Request("POST", url).url
    except Exception:  # each kind of bad address is another exception
        return "it is no address"
    if parsed.scheme not in ("http", "https"):
        return "it does not start with https://"
    if not parsed.host:
        return "it has no host"
    if parsed.port is not None and not 0 < parsed.port < 65536:
        return "its port is not one of 1 to 65535"
    return None


async def post_json(url: str, content: object, timeout_s: float) -> None:
    """POST a JSON document; any 2xx will do. No redirects; proxies of the environment. Raises Unreachable,
    whose message has nothing of the address."""
    import httpx

    headers = {"content-type": "application/json"}
    try:
        async with (
            httpx.AsyncClient(timeout=timeout_s, follow_redirects=False) as client,
            client.stream("POST", url, content=msgspec.json.encode(content), headers=headers) as answer,
        ):
            if not answer.is_success:
                raise Unreachable(f"status {answer.status_code}")
    except Unreachable:
        raise
    except Exception as exc:  # a proxy of the environment, a port beyond 65535, half of a surrogate pair
        raise Unreachable(type(exc).__name__) from None


def get_json(url: str, *, timeout_s: float) -> Any:  # JSON by definition
    """GET a small JSON document. No redirects, no proxies of the environment. Raises Unreachable."""
    import httpx

    try:
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False) as client,
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
