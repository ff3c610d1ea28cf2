"""Legacy completions, plain or streamed."""

from functions.calls.surface_exchange import SurfaceExchange
from functions.calls.walk import walked
from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from models_registry.fronts.completions.front import CompletionsFront
from schema.completions import Completion, CompletionsRequest


@function(
    "POST",
    "/v1/completions",
    aliases=(
        "/completions",
        "/openai/v1/completions",
        "/openai/deployments/{model}/completions",
        "/engines/{model}/completions",
    ),
    access=Access.MODEL,
    call_type="atext_completion",
)
async def completions(request: CompletionsRequest, ctx: ModelContext) -> Completion | EventStream:
    """Go on with a text, by a model for completions, or by any chat model."""
    return await walked(request, ctx, CompletionsExchange)


class CompletionsExchange(SurfaceExchange[CompletionsRequest, Completion]):
    """A prompt sent to one deployment, and the text that goes on."""

    __slots__ = ()
    front = CompletionsFront()
    blank = Completion(choices=[])

    def answer_id(self, answer: Completion | EventStream) -> str | None:
        return (answer.id or None) if isinstance(answer, Completion) else None
