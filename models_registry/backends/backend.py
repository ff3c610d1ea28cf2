"""What a backend is: pure functions from our requests to an upstream's, and back.

No IO, no clock, no await. A backend never sees the caller's credential; it builds the upstream's
headers from the target alone plus the pass-on headers it is given.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from models_registry.target import Target, TlsOptions
from schema.chat import ChatCompletion, ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors import Told, UpstreamError
from schema.usage import Usage

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""The longest SSE event or NDJSON line accepted from an upstream."""


PASS_ON_HEADERS = ("anthropic-beta", "openai-beta", "traceparent", "tracestate")
"""The caller's headers that may go on to an upstream; nothing else of them ever does."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request to a provider, complete. `headers` hold the provider's credential."""

    url: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    tls: TlsOptions | None = None
    """How TLS is spoken; None: as to all providers."""

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url}, {len(self.body)} bytes)"


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a translation may need and may not look up: ids, the time, headers to pass on."""

    request_id: str
    """`chatcmpl-<this>` becomes the answer's id where the provider gives none."""
    created: int
    """Unix time in seconds."""
    pass_on: Mapping[str, str] = {}
    """The caller's headers from the allow-list (`traceparent`, `anthropic-beta`, `openai-beta` ...),
    lower-case names; never a credential or a cookie."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that broke. No exception is kept: it would keep the frames of the call."""

    ahead: bytes
    """What the same read held ahead of the failure. It can be sent on."""
    failure: Told

    @classmethod
    def of(cls, error: UpstreamError, *, ahead: bytes = b"") -> "Broken":
        return cls(ahead=ahead, failure=Told.of(error))


class ChatStream(Protocol):
    """Turns an upstream's stream bytes into OpenAI SSE bytes for the client.

    `usage` is what the provider reported so far, or None; until the report of the whole it is estimated, with
    the input that was reported and the output as far as it was. `produced_bytes` bounds the output
    tokens from above: a token is at least one byte of text, reasoning or tool arguments.
    """

    @property
    def usage(self) -> Usage | None: ...

    @property
    def produced_bytes(self) -> int: ...

    @property
    def most_bytes(self) -> int:
        """No less than `produced_bytes`, and known without a look at what was sent on."""
        ...

    @property
    def told_bytes(self) -> int | None:
        """The same as `produced_bytes` where that is how much the model said; None where some of the stream
        has another shape, and all of its bytes are in that bound."""
        ...

    @property
    def service_tier(self) -> str | None:
        """The tier that the provider said it serves; empty: its standard one; None: it said nothing yet."""
        ...

    @property
    def done(self) -> bool:
        """True once the upstream said that the answer is complete."""
        ...

    def feed(self, data: bytes) -> bytes | Broken:
        """Take what was read, give what can be sent on (maybe nothing). An error event, garbage and an event
        over MAX_FRAME_BYTES give Broken. A broken stream is not fed again."""
        ...

    def close(self) -> bytes | Broken:
        """The upstream ended: give the rest, `[DONE]` included. A stream that broke off is Broken with
        UpstreamCut, one that held nothing with UpstreamMalformed."""
        ...


class Backend(Protocol):
    """One dialect. Each method raises UnsupportedParameter or InvalidRequest for what can't be
    sent, and UpstreamError for what can't be understood."""

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest: ...

    def chat_response(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> tuple[ChatCompletion, Usage | None]: ...

    def chat_stream(self, request: ChatRequest, target: Target, facts: CallFacts) -> ChatStream: ...

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest: ...

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]: ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        """The error answer as ours. `headers` have lower-case names."""
        ...
