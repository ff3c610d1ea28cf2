"""What a backend is: pure functions from our requests to an upstream's, and back.

No IO, no clock, no await. A backend never sees the caller's credential; it builds the upstream's
headers from the target alone plus the pass-on headers it is given.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from models_registry.backends.fitting import Fitted
from models_registry.target import Target, TlsOptions
from schema.chat import ChatCompletion, ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors import Told, UpstreamError
from schema.usage import Usage

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""The longest SSE event or NDJSON line accepted from an upstream."""


PASS_ON_HEADERS = ("anthropic-beta", "openai-beta", "traceparent", "tracestate")
"""The caller's headers that may go on to an upstream. No other header of the caller does."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A complete HTTP request to a provider. `headers` hold the provider's credential."""

    url: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    tls: TlsOptions | None = None
    """How TLS is spoken; None: as to all providers."""
    changed: tuple[str, ...] = ()
    """The fields of the caller's request that the translation changed or left out."""
    context_tokens: int = 0
    """The context that the host loads the model with. 0: the request does not say it."""

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url}, {len(self.body)} bytes)"


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a translation may need and must not look up itself: ids, the time, headers to pass on."""

    request_id: str
    """`chatcmpl-<this>` becomes the answer's id where the provider gives none."""
    created: int
    """Unix time in seconds."""
    pass_on: Mapping[str, str] = {}
    """The caller's headers from the allow-list (`traceparent`, `anthropic-beta`, `openai-beta` ...), with
    lower-case names. None of them is a credential or a cookie."""
    loaded_context: int = 0
    """The tokens of context with which the deployment's host has loaded the model. 0: none."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that broke. It keeps no exception, since an exception would keep the frames of the call."""

    ahead: bytes
    """The bytes before the failure that the same read gave. They can be sent on."""
    failure: Told

    @classmethod
    def of(cls, error: UpstreamError, *, ahead: bytes = b"") -> "Broken":
        return cls(ahead=ahead, failure=Told.of(error))


class ChatStream(Protocol):
    """Turns an upstream's stream bytes into OpenAI SSE bytes for the client.

    `usage` is what the provider has reported so far. None: it has reported nothing. Until the provider
    reports the whole answer, `usage` is marked as estimated. `produced_bytes` bounds the output tokens from
    above: a token is at least one byte of text, reasoning or tool arguments.
    """

    @property
    def usage(self) -> Usage | None: ...

    @property
    def produced_bytes(self) -> int: ...

    @property
    def most_bytes(self) -> int:
        """At least `produced_bytes`. It is known without a look at the bytes that were sent on."""
        ...

    @property
    def told_bytes(self) -> int | None:
        """`produced_bytes`, where that is how much the model said. None: some of the stream has another
        shape, and `produced_bytes` counts all bytes of that part."""
        ...

    @property
    def service_tier(self) -> str | None:
        """The service tier that the provider named. Empty: its standard tier. None: it has named none yet."""
        ...

    @property
    def done(self) -> bool:
        """True once the upstream said that the answer is complete."""
        ...

    def feed(self, data: bytes) -> bytes | Broken:
        """Take the bytes that were read, and give those that can be sent on (maybe none). An error event,
        garbage and an event over MAX_FRAME_BYTES give Broken. A broken stream is not fed again."""
        ...

    def close(self) -> bytes | Broken:
        """The upstream ended: give the rest, `[DONE]` included. A stream that broke off gives Broken with
        UpstreamCut. A stream that held nothing gives Broken with UpstreamMalformed."""
        ...


class Backend(Protocol):
    """One dialect. Each method raises UnsupportedParameter or InvalidRequest for what can't be
    sent, and UpstreamError for what can't be understood."""

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """The request as the deployment's model takes it. None: it is fit as it came."""
        ...

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
        """A provider's error answer as an error of ours. `headers` have lower-case names."""
        ...
