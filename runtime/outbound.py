"""The way out for everything that is not model traffic: one configured httpx client."""

from typing import Any

import httpx
import msgspec

MAX_BYTES = 4 * 1024 * 1024


class Unreachable(Exception):
    """No usable answer; the message says why in a few words."""


async def post_json(url: str, content: object, timeout_s: float) -> None:
    """POST a JSON document; any 2xx will do. No redirects; proxies of the environment. Raises Unreachable,
    whose message has nothing of the address."""
    headers = {"content-type": "application/json"}
    try:
        async with (
            httpx.AsyncClient(timeout=timeout_s, follow_redirects=False) as client,
            client.stream("POST", url, content=msgspec.json.encode(content), headers=headers) as answer,
        ):
            if not answer.is_success:
                raise Unreachable(f"status {answer.status_code}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        raise Unreachable(type(exc).__name__) from None


def get_json(url: str, *, timeout_s: float) -> Any:  # JSON by definition
    """GET a small JSON document. No redirects, no proxies of the environment. Raises Unreachable."""
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
