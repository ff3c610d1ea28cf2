"""Chat completions, plain or streamed."""

from functions.calls.chat_exchange import ChatExchange
from functions.calls.walk import walked
from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from schema.chat import ChatCompletion, ChatRequest


@function(
    "POST",
    "/v1/chat/completions",
    aliases=(
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/{model}/chat/completions",
        "/engines/{model}/chat/completions",
    ),
    access=Access.MODEL,
    call_type="acompletion",
)
async def chat(request: ChatRequest, ctx: ModelContext) -> ChatCompletion | EventStream:
    """Answer a conversation by the model that is named, in one piece or as a stream of chunks."""
    return await walked(request, ctx, ChatExchange)
