"""OpenAI's Responses, plain or streamed, and those that are stored."""

from functions.calls.attempt import Attempts
from functions.calls.kept_response import KeptStream, ResponseFields, ResponseKeeping, kept_whole
from functions.calls.screened import by_rules
from functions.calls.surface_exchange import SurfaceExchange
from functions.contract.function import EventStream, StreamForm, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext, StateContext
from functions.rules.conversations import (
    KIND,
    MAX_HISTORY_BYTES,
    MAX_HISTORY_ITEMS,
    PREVIOUS,
    going_on,
    id_of,
    kept_of,
    may_be_kept,
    owner_of,
    page_of,
    previous_of,
    reference_in,
    stored_of,
    with_thinking,
)
from models_registry.bounds.native import NativeBounds
from models_registry.bounds.responses import question_of
from models_registry.bounds.text import TextBounds
from models_registry.fronts.responses.failures import error_frame
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from models_registry.turns.sse import PING
from schema.errors.base import GatewayError, shortened
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.responses import (
    DeletedResponse,
    InputItemList,
    InputItemsQuery,
    Response,
    ResponseNamed,
    ResponseQuery,
    ResponsesRequest,
    ShownResponse,
    StoredResponse,
)
from schema.wire import ABSENT, present

NOT_STORED = "the responses of this key are not stored"
KEPT_NOWHERE = "nothing of a call that stays local (local_only) is stored, unless its team allows it"
NO_SALT = "this gateway has no salt key, so it stores no responses"
KEPT_THERE = "a conversation that OpenAI keeps belongs to the account, and not to one caller"


def _failed(error: GatewayError, _request_id: str | None) -> bytes:
    return error_frame(error)


RESPONSES_STREAM = StreamForm(ping=PING, failed=_failed)


@function(
    "POST",
    "/v1/responses",
    aliases=("/responses", "/openai/v1/responses"),
    access=Access.MODEL,
    call_type="aresponses",
    stream_form=RESPONSES_STREAM,
)
async def responses(request: ResponsesRequest, ctx: ModelContext) -> Response | EventStream:
    """Answer a conversation with items: texts, thinking, calls of tools."""
    _check(request)
    stores = _stores(request, ctx)
    before = await _before(request, ctx)
    if before is not None and before.stays_local and not ctx.call.stays_local:
        ctx.call.keep_local("conversation")
        stores = _stores_locally(request, ctx) and stores
    asked = going_on(request, before)
    if ctx.guardrails.rules.contents.rules:
        was_local = ctx.call.stays_local
        asked = await by_rules(asked, ctx.call, ctx.guardrails)
        if ctx.call.stays_local and not was_local:
            stores = _stores_locally(request, ctx) and stores
    stores = stores and _may_be_kept(request, asked)
    stays = "" if before is None else before.deployment
    exchange = StoredExchange if stores else ResponsesExchange
    attempts = Attempts(asked, ctx, exchange, stays)
    answer = await ctx.routes.walk(ctx.call, request.model, attempts)
    if not stores:
        return answer

    async def keep(response: ResponseFields) -> None:
        owner, ttl_s = owner_of(ctx.call.caller), ctx.policy.responses_ttl_s
        await ctx.state.put(
            KIND,
            owner,
            id_of(response),
            kept_of(response, asked, ctx.call.provider_side.model_id, stays_local=bool(ctx.call.stays_local)),
            ttl_s=ttl_s,
        )

    keeping = ResponseKeeping(keep, request.previous_response_id)
    return await kept_whole(answer, keeping) if isinstance(answer, Response) else KeptStream(answer, keeping)


@function(
    "GET",
    "/v1/responses/{response_id}",
    aliases=("/responses/{response_id}", "/openai/v1/responses/{response_id}"),
    access=Access.RESPONSES,
)
async def retrieve(request: ResponseQuery, ctx: StateContext) -> ShownResponse:
    """Show a stored response of the calling key."""
    if request.stream:
        raise _unsupported("stream", "a stored response is complete")
    shown = ShownResponse()
    shown.with_wire(bytes((await _found(request.response_id, ctx)).response))
    return shown


@function(
    "DELETE",
    "/v1/responses/{response_id}",
    aliases=("/responses/{response_id}", "/openai/v1/responses/{response_id}"),
    access=Access.RESPONSES,
)
async def delete(request: ResponseNamed, ctx: StateContext) -> DeletedResponse:
    """Delete a stored response of the calling key."""
    owner = owner_of(ctx.call.caller)
    if not ctx.state.is_open or not await ctx.state.delete(KIND, owner, request.response_id):
        raise _not_found(request.response_id)
    return DeletedResponse(id=request.response_id)


@function(
    "POST",
    "/v1/responses/{response_id}/cancel",
    aliases=("/responses/{response_id}/cancel", "/openai/v1/responses/{response_id}/cancel"),
    access=Access.RESPONSES,
)
async def cancel(request: ResponseNamed, ctx: StateContext) -> ShownResponse:
    """Refuse to cancel a stored response, which is complete. A call under way ends when its client leaves."""
    await _found(request.response_id, ctx)
    raise InvalidRequest("Cannot cancel a synchronous response.", param="response_id")


@function(
    "GET",
    "/v1/responses/{response_id}/input_items",
    aliases=("/responses/{response_id}/input_items", "/openai/v1/responses/{response_id}/input_items"),
    access=Access.RESPONSES,
)
async def input_items(request: InputItemsQuery, ctx: StateContext) -> InputItemList:
    """List what the model read before a stored response, page by page."""
    return page_of((await _found(request.response_id, ctx)).input, request)


class ResponsesExchange(SurfaceExchange[ResponsesRequest, Response]):
    """A conversation sent to one deployment, and the response."""

    __slots__ = ()
    front = ResponsesFront()
    blank = Response(id="", created_at=0, status="completed", model="")

    def bounds(self) -> TextBounds:
        if self._native is None:
            return super().bounds()
        request, target = self.request, self.target
        return NativeBounds(lambda: question_of(request.raw or request.fields(), target), target)

    def answer_id(self, answer: Response | EventStream) -> str | None:
        return (answer.id or None) if isinstance(answer, Response) else None


class StoredExchange(ResponsesExchange):
    """The same, where the response is stored. OpenAI's thinking is asked for in the form that can be sent
    back."""

    __slots__ = ()

    def __init__(self, request: ResponsesRequest, target: Target, facts: CallFacts) -> None:
        super().__init__(request, target, facts)
        thinks = self.target.facts is not None and self.target.facts.reasoning is True
        if self._native is not None and self.target.takes_metadata and thinks:
            self.request = with_thinking(self.request)


def _check(request: ResponsesRequest) -> None:
    """Raise UnsupportedParameter for what this gateway does for no model."""
    if request.background:
        raise _unsupported("background", "a response is made while its caller waits, or is streamed")
    if present(request.raw.get("conversation", ABSENT)):
        raise _unsupported("conversation", KEPT_THERE)
    referring = reference_in(request.input)
    if referring is not None:
        raise _unsupported(f"input[{referring}]", f"it refers to an item by its id, and {KEPT_THERE}")


def _stores(request: ResponsesRequest, ctx: ModelContext) -> bool:
    """Whether the response is stored. Raises UnsupportedParameter for a call that asks for it where nothing
    is stored."""
    said = ctx.call.caller.stores_responses
    allowed = ctx.policy.stores_responses if said is None else said
    why = "" if ctx.state.is_open else NO_SALT
    why = why or ("" if allowed else NOT_STORED)
    if ctx.call.stays_local and not ctx.call.caller.keeps_local_bodies:
        why = why or KEPT_NOWHERE
    if not why:
        return request.store is not False
    if request.store:
        raise _unsupported("store", why)
    if request.previous_response_id is not None:
        raise _unsupported(PREVIOUS, why)
    return False


def _stores_locally(request: ResponsesRequest, ctx: ModelContext) -> bool:
    """Whether the response of a conversation that stays local may be stored. Raises UnsupportedParameter for
    a call that asks for it."""
    if not ctx.call.caller.keeps_local_bodies and request.store:
        raise _unsupported("store", KEPT_NOWHERE)
    return ctx.call.caller.keeps_local_bodies


async def _before(request: ResponsesRequest, ctx: ModelContext) -> StoredResponse | None:
    """The response that the call goes on from. Raises InvalidRequest where the key has no such one."""
    id = request.previous_response_id
    return None if id is None else await previous_of(id, ctx.call, ctx.state)


def _may_be_kept(request: ResponsesRequest, asked: ResponsesRequest) -> bool:
    if may_be_kept(asked):
        return True
    if request.store:
        raise InvalidRequest(
            f"'input' is too long to be stored: at most {MAX_HISTORY_BYTES} bytes are, and at most "
            f"{MAX_HISTORY_ITEMS} items. Send store: false.",
            param="store",
        )
    return False


async def _found(id: str, ctx: StateContext) -> StoredResponse:
    value = await ctx.state.get(KIND, owner_of(ctx.call.caller), id) if ctx.state.is_open else None
    if value is None:
        raise _not_found(id)
    ctx.call.take_room(len(value))
    return stored_of(value)


def _not_found(id: str) -> NotFound:
    return NotFound(f"Response with id '{shortened(id)}' not found.", param="response_id")


def _unsupported(name: str, why: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"'{name}' is not supported: {why}.", param=name)
