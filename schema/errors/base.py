"""What every error of the gateway has, and an error as a value that can be kept."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

MAX_MESSAGE_CHARS = 8_192
MAX_NAME_CHARS = 200
"""The longest part of a caller's own name or path that a message repeats."""


def shortened(text: str, most: int = MAX_NAME_CHARS) -> str:
    """The text, cut where it is longer than `MAX_NAME_CHARS`."""
    return text if len(text) <= most else f"{text[:most]}..."


class GatewayError(Exception):
    """The root. `message` goes to the caller: no secret, no stack, no upstream body in it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_server_error"
    word: ClassVar[str] = "internal_error"
    """Our own word, sent as `reason`."""
    openai_code: ClassVar[str | None] = None
    """OpenAI's word, sent as `code`. None: OpenAI has none."""
    retry: ClassVar[bool | None] = None
    """Sent as `x-should-retry` when not None: SDKs obey it."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        message = shortened(message, MAX_MESSAGE_CHARS)
        super().__init__(message)
        self.message = message
        self.param = param if param is None else shortened(param)
        self.retry_after_s = retry_after_s
        self._code = code

    @property
    def code(self) -> str:
        return self._code or self.openai_code or str(self.http_status)

    @property
    def reason(self) -> str:
        return self.word

    @property
    def http_status(self) -> int:
        return self.status

    @property
    def error_type(self) -> str:
        return self.type

    @property
    def reply_headers(self) -> Mapping[str, str]:
        """The headers that come with the answer, such as `rate_limit_type`."""
        return {}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a value that can be kept. A raised exception holds the frames that it passed, and the
    frames hold the call's body. Where a frame also reaches the object that keeps the exception, nothing of
    this is freed before the next garbage collection."""

    kind: type[GatewayError]
    facts: Mapping[str, object]
    """The attributes of the exception, such as `message` and `retry_after_s`."""

    @classmethod
    def of(cls, error: GatewayError) -> "Told":
        return cls(kind=type(error), facts=dict(vars(error)))

    def error(self) -> GatewayError:
        """A new exception with the same attributes."""
        error = self.kind.__new__(self.kind, self.facts["message"])
        vars(error).update(self.facts)
        return error
