"""What a backend is: pure functions from our requests to an upstream's, and back.

No IO, no clock, no await. A backend never sees the caller's credential; it builds the upstream's
headers from the target alone plus the pass-on headers it is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from models_registry.backends.fitting import Fitted
from models_registry.signing import Signing
from models_registry.target import Target, TlsOptions
from models_registry.turns.events import AnswerEvent
from models_registry.turns.facts import CallFacts
from models_registry.turns.stream import AnswerStream, EventParser
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import UpstreamError
from schema.usage import Usage

R = TypeVar("R")
A = TypeVar("A")
PASS_ON_HEADERS = ("anthropic-beta", "anthropic-version", "openai-beta", "traceparent", "tracestate")
"""The caller's headers that may go on to an upstream. No other header of the caller does."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A complete HTTP request to a provider. `headers` hold the provider's credential."""

    url: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    tls: TlsOptions | None = None
    """How TLS is spoken; None: as to all providers."""
    signing: Signing | None = None
    """How the request is signed on its way out. None: it is complete."""
    changed: tuple[str, ...] = ()
    """The fields of the caller's request that the translation changed or left out."""
    context_tokens: int = 0
    """The context that the host loads the model with. 0: the request does not say it."""

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url}, {len(self.body)} bytes)"


class Native(Protocol[R, A]):
    """A surface that the provider has itself: the caller's bytes go to the provider, and the provider's bytes
    to the caller. `R` is the surface's request, `A` its answer. It raises what a Backend raises."""

    def fitted(self, request: R, target: Target) -> tuple[R, Target, tuple[str, ...]] | None:
        """The request as the deployment's model takes it, the deployment, and the names of the fields that
        were changed or left out. None: it is fit as it came."""
        ...

    def request(self, request: R, target: Target, facts: CallFacts) -> UpstreamRequest: ...

    def answer(self, body: bytes, request: R, target: Target) -> tuple[A, Usage | None]:
        """The answer, which keeps its bytes, and what it reports of the usage."""
        ...

    def told_bytes(self, answer: A) -> int | None:
        """The bytes of everything that the model wrote in an answer. None: nobody can tell."""
        ...

    def stream(self, request: R, target: Target) -> AnswerStream: ...


class Backend(Protocol):
    """One dialect. Each method raises UnsupportedParameter or InvalidRequest for what can't be
    sent, and UpstreamError for what can't be understood."""

    @property
    def natives(self) -> Mapping[Surface, Native[Any, Any]]:
        """The surfaces that providers of this dialect have themselves."""
        ...

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """The request as the deployment's model takes it. None: it is fit as it came."""
        ...

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """The provider's request for these turns."""
        ...

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> Sequence[AnswerEvent]:
        """The events of a whole answer."""
        ...

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> EventParser:
        """A parser for one stream."""
        ...

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest: ...

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]: ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        """A provider's error answer as an error of ours. `headers` have lower-case names."""
        ...
