"""Requests as HTTP/1.1 writes them: where they go, and the bytes of their heads."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import msgspec

from models_registry.backends.headers import WRITTEN_HERE

USER_AGENT = "switchgear"
DEFAULT_PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\0\r\n]")
_SAFE_IN_PATH = "/?:@!$&'()*+,;=-._~%[]"


class Unwritable(ValueError):
    """An address or a header that HTTP can't carry."""


class UrlParts(msgspec.Struct, frozen=True, kw_only=True):
    """A URL, taken apart. `authority` names the host, and the port where the URL does."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str
    """With the query; never empty."""


@lru_cache(maxsize=1024)
def address_of(url: str) -> UrlParts:
    """Raises Unwritable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise Unwritable("it is no address") from exc
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise Unwritable("it is no address of HTTP")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as exc:
            raise Unwritable("its host is no name") from exc
    named = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE_IN_PATH)
    return UrlParts(
        scheme=parts.scheme,
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        authority=named if port is None else f"{named}:{port}",
        path=path,
    )


@lru_cache(maxsize=1024)
def _first_lines(method: str, target: str, host: str) -> str:
    if _TOKEN.fullmatch(method) is None:
        raise Unwritable("its method")
    return (
        f"{method} {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\n"
        "accept-encoding: identity\r\n"
    )


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    """In lower case. Raises Unwritable."""
    if _TOKEN.fullmatch(name) is None:
        raise Unwritable("the name of a header")
    return name.lower()


def head_of(
    method: str, address: UrlParts, headers: Mapping[str, str], body_bytes: int, *, through: str | None = None
) -> bytes:
    """The head of a request. `through` is the `Proxy-Authorization` for a proxy that reads the request; empty
    where that wants none. Raises Unwritable."""
    if method == "POST" and through is None:
        return _post_head(address, tuple(headers.items())) + b"content-length: %d\r\n\r\n" % body_bytes
    return _head(method, address, headers, body_bytes, through)


@lru_cache(maxsize=4096)
def _post_head(address: UrlParts, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The head of a POST up to its length. All calls of a deployment have the same one, except those whose
    callers send headers that go on to the provider."""
    return _head("POST", address, dict(headers), None, None)


def _head(
    method: str, address: UrlParts, headers: Mapping[str, str], body_bytes: int | None, through: str | None
) -> bytes:
    target = address.path if through is None else f"{address.scheme}://{address.authority}{address.path}"
    host, own, lines = address.authority, "", []
    for name, value in headers.items():
        known = _name(name)
        if known in WRITTEN_HERE:
            continue
        if known == "host":
            host = value
        else:
            own += f" {known}"
            lines.append(f"{known}: {value}\r\n")
    text = "".join(lines)
    if (
        text.count("\n") != len(lines)
        or text.count("\r") != len(lines)
        or "\0" in text
        or _UNSAFE.search(host)
    ):
        raise Unwritable("the value of a header")
    first = _first_lines(method, target, host)
    if " user-agent" in own:
        first = first.replace(f"user-agent: {USER_AGENT}\r\n", "")
    if " accept " in f"{own} ":
        first = first.replace("accept: */*\r\n", "")
    if through:
        first += f"proxy-authorization: {through}\r\n"
    end = "\r\n"
    if body_bytes is None:
        end = ""
    elif body_bytes or method not in ("GET", "HEAD"):
        end = f"content-length: {body_bytes}\r\n\r\n"
    try:
        return f"{first}{text}{end}".encode()
    except UnicodeEncodeError as exc:
        raise Unwritable("the value of a header") from exc
