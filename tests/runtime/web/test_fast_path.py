"""The fast path answers as Litestar would: status, headers, body and log line, for the whole catalogue."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import pytest
import structlog

from runtime.catalog import entries
from runtime.web.fast_path import App
from runtime.web.mount import mount
from tests.runtime.identity.test_authenticator import KEY
from tests.runtime.in_process import MASTER, House

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
SERVED = {
    (path, entry.manifest.method)
    for entry in entries()
    for path in (entry.manifest.path, *entry.manifest.aliases)
}
PATHS = sorted({path for path, _ in SERVED})
OWN = {entry.manifest.path for entry in entries()}
"""The paths that are no alias."""
ODD = (
    "/",
    "/docs",
    "/openapi.json",
    "/nothing/here",
    "/v1/chat/completions/",
    "//v1/chat/completions",
    "/v1/chat",
    "/V1/CHAT/COMPLETIONS",
    "/v1/models/openai/gpt",
    "/v1/models/",
    "/audit/",
    "/audit/a/b",
    "/audit/é",
    "/audit/%2e%2e",
    "/key//regenerate",
)
BODIES = (b"", b"{}", b"{", b'{"model":"gpt","messages":[{"role":"user","content":"Hi"}]}')
CHANGING = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9]{10,}\b")


def requests() -> Iterator[tuple[str, str, bytes, str | None]]:
    """Every method at every path, and at an alias what is served; every credential and every body where
    something is served."""
    for path in (*PATHS, *ODD):
        concrete = re.sub(r"\{[^}]*\}", "some-id", path)
        for method in METHODS:
            if path in OWN or path in ODD or (path, method) in SERVED:
                yield method, concrete, b"{}", KEY
            if (path, method) in SERVED or path in ODD:
                yield method, concrete, b"{}", None
                yield method, concrete, b"{}", MASTER
        if (path, "POST") in SERVED or path in ODD:
            for body in BODIES:
                yield "POST", concrete, body, KEY


async def answer(
    app: App, method: str, path: str, body: bytes, credential: str | None
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    incoming = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    headers = [(b"host", b"gateway.test"), (b"content-length", b"%d" % len(body))]
    if credential is not None:
        headers.append((b"authorization", f"Bearer {credential}".encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"limit=2&x=%20",
        "root_path": "",
        "headers": headers,
        "client": ("192.0.2.1", 1234),
        "server": ("gateway.test", 80),
        "state": {},
        "extensions": {},
    }
    await app(scope, receive, send)
    return sent


def comparable(messages: list[dict[str, Any]], lines: list[bytes]) -> tuple[object, ...]:
    """Without ids and times, which differ from call to call."""
    start = messages[0]
    headers = sorted(
        (name.lower(), CHANGING.sub(b"*", value))
        for name, value in start["headers"]
        if name != b"date" and not name.endswith(b"-duration-ms")
    )
    body = b"".join(message.get("body", b"") for message in messages[1:])
    log = [msgspec.json.decode(line) for line in lines]
    kept = [{k: v for k, v in line.items() if k not in ("timestamp", "ms", "request_id")} for line in log]
    return start["status"], headers, CHANGING.sub(b"*", body), kept


@contextmanager
def no_tracebacks() -> Iterator[None]:
    """Functions that lack a port fail, and to render the traceback of each takes most of a second."""
    processors: list[Any] = structlog.get_config()["processors"]
    before = processors.copy()

    def drop(*event: object) -> NoReturn:
        raise structlog.DropEvent

    processors[:] = [drop]
    try:
        yield
    finally:
        processors[:] = before


def test_the_whole_catalogue_is_answered_the_same_with_the_front_and_without() -> None:
    async def run() -> int:
        with_fast_path, without = House(), House()
        apps = [
            (with_fast_path, mount(entries(), with_fast_path.gateway)),
            (without, mount(entries(), without.gateway, fast_path=False)),
        ]
        compared = 0
        for request in requests():
            found = []
            for house, app in apps:
                house.log.clear()
                messages = await answer(app, *request)
                found.append(comparable(messages, house.log))
            assert found[0] == found[1], request
            compared += 1
        return compared

    with no_tracebacks():
        assert asyncio.run(run()) > len(OWN) * len(METHODS) + len(PATHS)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/audit/some-id", "/key/generate"])
def test_what_the_front_knows_does_not_reach_litestar(path: str) -> None:
    """So that the comparison above compares two ways."""

    async def run() -> list[dict[str, Any]]:
        app: Any = mount(entries(), House().gateway)
        app._behind = None
        method = "GET" if path.startswith("/audit") else "POST"
        return await answer(app, method, path, b"{}", None)

    assert asyncio.run(run())[0]["status"] == 401
