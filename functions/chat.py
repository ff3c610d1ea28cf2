"""Chat completions, plain or streamed."""

from collections.abc import Awaitable

from functions.calls.answer_id import id_of
from functions.calls.attempt import Attempts, Exchange
from functions.calls.relay import Relay
from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from functions.ports.models import Hold, UpstreamResponse
from models_registry.backends.backend import CallFacts, UpstreamRequest
from models_registry.backends.openai.answer import told_bytes
from models_registry.bounds.chat import ChatBounds
from models_registry.target import Target
from schema.chat import ChatCompletion, ChatRequest
from schema.usage import Usage


@function(
    "POST",
    "/v1/chat/completions",
    aliases=("/chat/completions",),
    access=Access.MODEL,
    call_type="acompletion",
)
async def chat(request: ChatRequest, ctx: ModelContext) -> ChatCompletion | EventStream:
    """Answer a conversation by the model that is named, in one piece or as a stream of chunks."""
    return await ctx.routes.walk(ctx.call, request.model, Attempts(request, ctx, ChatExchange))


class ChatExchange(Exchange[ChatRequest, ChatBounds, ChatCompletion | EventStream]):
    """A conversation sent to one deployment, and its answer."""

    __slots__ = ()

    def __init__(self, request: ChatRequest, target: Target, facts: CallFacts) -> None:
        super().__init__(request, target, facts)
        fitted = self.backend.fitted(request, target)
        if fitted is not None:
            self.request, self.target, self.changed = fitted

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    def outgoing(self) -> UpstreamRequest:
        return self.backend.chat_request(self.request, self.target, self.facts)

    def bounds(self) -> ChatBounds:
        return ChatBounds(self.request, self.target)

    def answer(self, body: bytes, bounds: ChatBounds) -> tuple[ChatCompletion, Usage]:
        completion, usage = self.backend.chat_response(body, self.request, self.target, self.facts)
        return completion, bounds.completed(usage, len(body), lambda: told_bytes(completion))

    def answer_id(self, answer: ChatCompletion | EventStream) -> str | None:
        return id_of(answer) if isinstance(answer, ChatCompletion) else None

    def relay(self, response: UpstreamResponse, hold: Hold, bounds: ChatBounds) -> Awaitable[Relay]:
        parser = self.backend.chat_stream(self.request, self.target, self.facts)
        return Relay.begin(response, parser, hold=hold, bounds=bounds)
