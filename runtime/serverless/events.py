"""Events of HTTP and their answers, in the payload format 2.0 of AWS: API Gateway's HTTP APIs and function
URLs send it (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from schema.errors.requests import InvalidRequest

VERSION = "2.0"
DEFAULT_STAGE = "$default"
MAX_ANSWER_BYTES = 6 * 1024 * 1024
"""The most that Lambda takes of an answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
OF_THE_WIRE = frozenset(("content-length", "connection", "transfer-encoding"))
"""Headers of a reply that whoever carries the answer writes itself."""
_SLASHES = re.compile(r"/{2,}")

FunctionAnswer = dict[str, Any]  # the platform's own form: what a handler returns


class _Http(msgspec.Struct, frozen=True, rename="camel"):
    method: str
    source_ip: str = ""


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    http: _Http
    stage: str = DEFAULT_STAGE


class HttpEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request as the platform hands it over."""

    version: str
    raw_path: str
    raw_query_string: str = ""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    body: str | None = None
    is_base64_encoded: bool = False
    request_context: _Context

    @property
    def method(self) -> str:
        return self.request_context.http.method.upper()

    @property
    def address(self) -> str | None:
        """The address of whoever connected to the platform."""
        return self.request_context.http.source_ip or None

    def path(self, root: str) -> str:
        """The path without the stage's name, without `root`, and with single slashes: `/v1/models`."""
        stage = self.request_context.stage
        path = _SLASHES.sub("/", unquote(self.raw_path))
        for prefix in ("" if stage == DEFAULT_STAGE else f"/{stage}", root):
            if prefix and (path == prefix or path.startswith(f"{prefix}/")):
                path = path[len(prefix) :]
        return path.rstrip("/") or "/"

    def named(self) -> dict[str, str]:
        """The headers, in lower case, with the cookies among them."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.cookies:
            headers["cookie"] = "; ".join(self.cookies)
        return headers

    def content(self) -> bytes:
        """The body. Raises InvalidRequest."""
        if self.body is None:
            return b""
        if not self.is_base64_encoded:
            return self.body.encode()
        try:
            return base64.b64decode(self.body, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise InvalidRequest("The event's body is not base64, though the event says so.") from exc


def event_of(raw: object) -> HttpEvent:
    """The event that the platform gave. Raises InvalidRequest for an event of another form."""
    found = raw.get("version") if isinstance(raw, Mapping) else None
    if found != VERSION:
        raise InvalidRequest(
            "Expected an HTTP event of the payload format 2.0, as function URLs and API Gateway's HTTP APIs "
            f"send it; found the version {str(found)[:20]!r}."
        )
    try:
        return msgspec.convert(raw, HttpEvent)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"An HTTP event that can't be read: {exc}") from exc


def answer_of(status: int, pairs: list[tuple[bytes, bytes]], body: bytes) -> FunctionAnswer:
    """An answer in the platform's form. A body that is no text goes as base64."""
    headers: dict[str, str] = {}
    cookies = []
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "set-cookie":
            cookies.append(value)
        elif name not in OF_THE_WIRE:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    answer: FunctionAnswer = {"statusCode": status, "headers": headers, "cookies": cookies}
    try:
        return {**answer, "body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return in_base64({**answer, "body": ""}, body)


def in_base64(answer: FunctionAnswer, body: bytes) -> FunctionAnswer:
    return {**answer, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def fits(answer: FunctionAnswer) -> bool:
    """Whether the platform takes an answer of this length."""
    return len(msgspec.json.encode(answer)) <= MAX_ANSWER_BYTES
