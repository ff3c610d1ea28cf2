"""Chat completions, plain or streamed."""

from functions.calls.answer_id import id_of
from functions.calls.attempt import Attempts
from functions.calls.surface_exchange import SurfaceExchange
from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from models_registry.fronts.chat.front import ChatFront
from schema.chat import ChatCompletion, ChatRequest


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


class ChatExchange(SurfaceExchange[ChatRequest, ChatCompletion]):
    """A conversation sent to one deployment, and its answer."""

    __slots__ = ()
    front = ChatFront()

    def answer_id(self, answer: ChatCompletion | EventStream) -> str | None:
        return id_of(answer) if isinstance(answer, ChatCompletion) else None
