"""Refusals of what a request says: its body, its path, its query."""

from collections.abc import Mapping, Sequence

from schema.errors.base import GatewayError


class InvalidRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    word = "invalid_request"


class UnsupportedParameter(InvalidRequest):
    """A parameter the chosen backend has no way to honour; `param` names it."""

    word = "unsupported_parameter"
    openai_code = "unsupported_parameter"


class ThreadUnsupported(UnsupportedParameter):
    """Anthropic's `thread`, at a model that keeps no conversation. Anthropic's SDKs know the word: they carry
    the conversation themselves then."""

    word = "thread_unsupported_request"
    retry = False


class FileNotFetched(InvalidRequest):
    """A picture or document that the request names by address can't be had."""

    word = "file_not_fetched"
    openai_code = "failed_to_download_image"


class ContextLengthExceeded(InvalidRequest):
    word = "context_length_exceeded"
    openai_code = "context_length_exceeded"


class TooComplex(InvalidRequest):
    word = "request_too_complex"


class BodyTooLarge(InvalidRequest):
    status = 413
    word = "request_too_large"


class UnsupportedCoding(InvalidRequest):
    """The body's `Content-Encoding` is not understood here."""

    status = 415
    word = "unsupported_coding"

    def __init__(self, message: str, *, param: str | None = None, codings: Sequence[str] = ()) -> None:
        super().__init__(message, param=param)
        self.codings = tuple(codings)

    @property
    def reply_headers(self) -> Mapping[str, str]:
        return {"accept-encoding": ", ".join(self.codings)}


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    word = "method_not_allowed"
