"""OpenAI's Responses, plain or streamed."""

from functions.calls.attempt import Attempts
from functions.calls.surface_exchange import SurfaceExchange
from functions.contract.function import EventStream, StreamForm, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.native import NativeBounds
from models_registry.bounds.responses import question_of
from models_registry.fronts.responses.failures import error_frame
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.turns.sse import PING
from schema.errors import GatewayError, UnsupportedParameter
from schema.responses import Response, ResponsesRequest
from schema.wire import ABSENT, present

NOT_STORED = "this gateway stores no responses"
KEPT_THERE = "a conversation that OpenAI keeps belongs to the account, and not to one caller"


def _failed(error: GatewayError, _request_id: str | None) -> bytes:
    return error_frame(error)


RESPONSES_STREAM = StreamForm(ping=PING, failed=_failed)


@function(
    "POST",
    "/v1/responses",
    aliases=("/responses",),
    access=Access.MODEL,
    call_type="aresponses",
    stream_form=RESPONSES_STREAM,
)
async def responses(request: ResponsesRequest, ctx: ModelContext) -> Response | EventStream:
    """Answer a conversation with items: texts, thinking, calls of tools."""
    _check(request)
    return await ctx.routes.walk(ctx.call, request.model, Attempts(request, ctx, ResponsesExchange))


class ResponsesExchange(SurfaceExchange[ResponsesRequest, Response]):
    """A conversation sent to one deployment, and the response."""

    __slots__ = ()
    front = ResponsesFront()

    def bounds(self) -> ChatBounds:
        if self._native is None:
            return super().bounds()
        request, target = self.request, self.target
        return NativeBounds(lambda: question_of(request.raw or request.fields(), target), target)

    def answer_id(self, answer: Response | EventStream) -> str | None:
        return (answer.id or None) if isinstance(answer, Response) else None


def _check(request: ResponsesRequest) -> None:
    """Raise UnsupportedParameter for what this gateway does for no model."""
    if request.background:
        raise _unsupported("background", "a response is made while its caller waits, or is streamed")
    if present(request.raw.get("conversation", ABSENT)):
        raise _unsupported("conversation", KEPT_THERE)
    if request.previous_response_id is not None:
        raise _unsupported("previous_response_id", NOT_STORED)
    if request.store:
        raise _unsupported("store", NOT_STORED)


def _unsupported(name: str, why: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"'{name}' is not supported: {why}.", param=name)
