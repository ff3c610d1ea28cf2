"""A function's answer as status, headers and body."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

from functions.contract.call import Call
from functions.contract.function import Download, EventStream, TextReply
from schema.wire import Wire, to_json

JSON = b"application/json"
SSE_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Reply(msgspec.Struct, kw_only=True):
    """A rendered answer. Whoever sends it must close its EventStream."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | EventStream
    download: Download | None = None
    """What is sent in place of the body, where it is not None."""
    done: Callable[[], None] = lambda: None
    """Whoever sends the reply calls this when it is sent, or when sending has failed."""


def json_reply(status: int, content: object, headers: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """A reply that no function gave, such as a 404."""
    body = msgspec.json.encode(content)
    return Reply(status=status, headers=json_headers(body, headers, None), body=body)


def render(answer: object, call: Call | None) -> Reply:
    """The reply for what a function gave: a struct and the like becomes JSON; a text, a file or a stream is
    sent as it is. With a call, the call's own headers are added."""
    extra = call.reply_headers if call is not None else {}
    if isinstance(answer, TextReply):
        body = answer.content.encode()
        headers = [(b"content-type", answer.media_type.encode()), (b"content-length", b"%d" % len(body))]
        return Reply(status=200, headers=[*headers, *pairs(extra, call)], body=body)
    if isinstance(answer, Download):
        named = f'attachment; filename="{answer.filename}"'.encode()
        kind = answer.media_type.encode()
        headers = [(b"content-type", kind), (b"content-disposition", named), *pairs(extra, call)]
        return Reply(status=200, headers=headers, body=b"", download=answer)
    if isinstance(answer, msgspec.Struct | str | list | int | dict):
        body = (answer.wire if isinstance(answer, Wire) else b"") or to_json(answer)
        return Reply(status=200, headers=json_headers(body, extra, call), body=body)
    headers = [*SSE_HEADERS, *pairs(extra, call)]
    return Reply(status=200, headers=headers, body=answer)  # type: ignore[arg-type]  # a function's only other answer


def json_headers(body: bytes, extra: Mapping[str, str], call: Call | None) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", JSON),
        (b"content-length", str(len(body)).encode()),
        *pairs(extra, call),
    ]


def pairs(extra: Mapping[str, str], call: Call | None) -> list[tuple[bytes, bytes]]:
    """The headers as pairs of bytes. A value that HTTP can't carry is left out, as in LiteLLM. With a call,
    its id (the client's own one where it sent one) and the headers of its limits are added."""
    pairs = [pair for pair in map(_pair, extra, extra.values()) if pair is not None]
    if call is not None:
        pairs.append((b"x-litellm-call-id", (call.client_call_id or call.request_id).encode()))
        pairs += call.limit_headers
    return pairs


@lru_cache(maxsize=4096)
def _pair(name: str, value: str) -> tuple[bytes, bytes] | None:
    """Most values are those of a deployment or of a key, and come with every call."""
    return (name.encode(), value.encode()) if value.isascii() and value.isprintable() else None
