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
    """A rendered answer. An EventStream must be closed by whoever sends it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | EventStream
    download: Download | None = None
    """What is sent in place of the body, where it is not None."""
    done: Callable[[], None] = lambda: None
    """Called by whoever sent it, when it is sent."""


def json_reply(status: int, content: object, headers: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """An answer of the runtime's own, such as a 404."""
    body = msgspec.json.encode(content)
    return Reply(status=status, headers=json_headers(body, headers, None), body=body)


def render(answer: object, call: Call | None) -> Reply:
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
    """Header pairs; a value that HTTP can't carry is left out, as LiteLLM does."""
    pairs = [pair for pair in map(_pair, extra, extra.values()) if pair is not None]
    if call is not None:
        pairs.append((b"x-litellm-call-id", call.request_id.encode()))
        pairs += call.limit_headers
    return pairs


@lru_cache(maxsize=4096)
def _pair(name: str, value: str) -> tuple[bytes, bytes] | None:
    """Most values are those of a deployment or of a key, and come with every call."""
    return (name.encode(), value.encode()) if value.isascii() and value.isprintable() else None
