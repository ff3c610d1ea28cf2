"""A function's answer as status, headers and body."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from functions.contract.call import Call
from functions.contract.function import Download, EventStream, RawReply, TextReply
from functions.contract.visit import Cookie, Redirect, Visit, WebPage
from runtime.admin_ui.built import PAGE_HEADERS as APP_HEADERS
from runtime.admin_ui.built import built_ui
from runtime.signin.pages import error_page, html_of
from runtime.upstream.router import ATTEMPTED_RETRIES, ONE_ATTEMPT
from schema.errors.base import GatewayError
from schema.errors.forms import WireError
from schema.health import VERSION
from schema.wire import Wire, to_json

JSON = b"application/json"
SSE_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""A page loads nothing but the gateway's own style sheet and icon, runs nothing, stands in no frame, and is
kept by no cache. With the policy `no-referrer` Chromium would send its forms with `Origin: null`."""


VERSION_HEADER = (b"x-litellm-version", VERSION.encode())


class Reply(msgspec.Struct, kw_only=True):
    """A rendered answer. Whoever sends it must close its EventStream."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | EventStream
    download: Download | None = None
    """What is sent in place of the body, where it is not None."""
    last_event: bytes = b""
    """The error of a failed stream as an event, for a client that has the head already."""
    done: Callable[[], None] = lambda: None
    """Whoever sends the reply calls this when it is sent, or when sending has failed."""


def error_reply(
    status: int, error: WireError, headers: Mapping[str, str] = MappingProxyType({}), call: Call | None = None
) -> Reply:
    """An error as its dialect writes it. With a call, the call's own headers are added."""
    body = msgspec.json.encode(error)
    kind = error.media_type.encode()
    return Reply(status=status, headers=json_headers(body, headers, call, kind), body=body)


def render(answer: object, call: Call | None) -> Reply:
    """The reply for what a function gave: a struct and the like becomes JSON; a text, a file or a stream is
    sent as it is. With a call, the call's own headers are added."""
    extra = call.reply_headers if call is not None else {}
    if isinstance(answer, TextReply):
        body = answer.content.encode()
        headers = [(b"content-type", answer.media_type.encode()), (b"content-length", b"%d" % len(body))]
        return Reply(status=200, headers=[*headers, *pairs(extra, call)], body=body)
    if isinstance(answer, RawReply):
        kind, length = answer.media_type.encode(), b"%d" % len(answer.content)
        headers = [(b"content-type", kind), (b"content-length", length)]
        headers += pairs({**answer.headers, **extra}, call)
        return Reply(status=answer.status, headers=headers, body=answer.content)
    if isinstance(answer, Download):
        named = f'attachment; filename="{answer.filename}"'.encode()
        kind = answer.media_type.encode()
        headers = [(b"content-type", kind), (b"content-disposition", named), *pairs(extra, call)]
        return Reply(status=200, headers=headers, body=b"", download=answer)
    if isinstance(answer, msgspec.Struct | str | list | int | dict):
        body = (answer.wire if isinstance(answer, Wire) else b"") or to_json(answer)
        headers = json_headers(body, extra, call)
        if call is not None and call.provider_side.deployment:
            headers += _durations(call)
        return Reply(status=200, headers=headers, body=body)
    headers = [*SSE_HEADERS, *pairs(extra, call)]
    return Reply(status=200, headers=headers, body=answer)  # type: ignore[arg-type]  # a function's only other answer


def json_headers(
    body: bytes, extra: Mapping[str, str], call: Call | None, kind: bytes = JSON
) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        *pairs(extra, call),
    ]


def pairs(extra: Mapping[str, str], call: Call | None) -> list[tuple[bytes, bytes]]:
    """The headers as pairs of bytes. A value that HTTP can't carry is left out, as in LiteLLM. With a call,
    its id (the client's own one where it sent one) is added, and what is known of its deployment, its
    provider, its key and the limits."""
    pairs = [pair for pair in map(_pair, extra, extra.values()) if pair is not None]
    if call is not None:
        pairs.append((b"x-litellm-call-id", (call.client_call_id or call.request_id).encode()))
        pairs.append(VERSION_HEADER)
        pairs += call.limit_headers
        side = call.provider_side
        if side.deployment:
            pairs += (
                side.deployment if ATTEMPTED_RETRIES not in extra else side.deployment[: -len(ONE_ATTEMPT)]
            )
            pairs += side.headers
    return pairs


def early_headers(call: Call) -> list[tuple[bytes, bytes]]:
    """The headers of a stream's head that is sent before the call is answered: nothing in it names a
    deployment."""
    call_id = (call.client_call_id or call.request_id).encode()
    return [*SSE_HEADERS, (b"x-litellm-call-id", call_id), VERSION_HEADER, *call.limit_headers]


def _durations(call: Call) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """How long a plain call took in all, and how long without its providers, in milliseconds."""
    took_s = time.monotonic() - call.received_mono
    own_s = max(0.0, took_s - call.provider_side.waited_s)
    return (
        (b"x-litellm-response-duration-ms", b"%.3f" % (took_s * 1000)),
        (b"x-litellm-overhead-duration-ms", b"%.3f" % (own_s * 1000)),
    )


@lru_cache(maxsize=4096)
def _pair(name: str, value: str) -> tuple[bytes, bytes] | None:
    """Most values are those of a deployment or of a key, and come with every call."""
    return (name.encode(), value.encode()) if value.isascii() and value.isprintable() else None


def page_reply(answer: WebPage | Redirect, visit: Visit) -> Reply:
    """A page or a redirect as a reply. Who wants no page gets JSON: what the page shows, or the address."""
    if isinstance(answer, Redirect):
        to = f"{visit.base_url}{answer.to}" if answer.to.startswith("/") else answer.to
        if visit.wants_page:
            headers = [(b"location", to.encode()), (b"content-length", b"0"), (b"cache-control", b"no-store")]
            return Reply(status=answer.status, headers=[*headers, *_cookies(answer.cookies)], body=b"")
        body = to_json({"redirect_url": to})
        headers = [*json_headers(body, {"cache-control": "no-store"}, None), *_cookies(answer.cookies)]
        return Reply(status=200, headers=headers, body=body)
    if not visit.wants_page:
        body = to_json(answer.facts)
        headers = [*json_headers(body, {"cache-control": "no-store"}, None), *_cookies(answer.cookies)]
        return Reply(status=answer.status, headers=headers, body=body)
    app = _app(visit) if answer.name == "home" else None
    body = app or html_of(answer, visit.base_url)
    kind = APP_HEADERS if app else PAGE_HEADERS
    headers = [*kind, (b"content-length", b"%d" % len(body)), *_cookies(answer.cookies)]
    if answer.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % answer.retry_after_s))
    if answer.then:
        headers.append((b"refresh", f"0; url={answer.then}".encode()))
    return Reply(status=answer.status, headers=headers, body=body)


def _app(visit: Visit) -> bytes | None:
    """The admin UI's page, where it is built."""
    root = urlsplit(visit.base_url).path
    return built_ui().page(root, title=visit.ui_title, accent=visit.ui_accent)


def render_error(error: GatewayError, visit: Visit) -> Reply:
    """An error as a page."""
    return page_reply(error_page(error), visit)


def _cookies(cookies: tuple[Cookie, ...]) -> list[tuple[bytes, bytes]]:
    return [(b"set-cookie", cookie.header.encode("latin-1")) for cookie in cookies]


def also_at_end(reply: Reply, do: Callable[[], None]) -> None:
    """Call `do` now; where a download is still to be made piece by piece, when it was sent."""
    if reply.download is None:
        do()
        return
    done = reply.done

    def both() -> None:
        do()
        done()

    reply.done = both
