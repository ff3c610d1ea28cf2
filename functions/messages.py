"""Anthropic's Messages, plain or streamed, on every model, and the count of a request's tokens."""

import re

from functions.calls.counting import Counting
from functions.calls.screened import by_rules
from functions.calls.surface_exchange import SurfaceExchange
from functions.calls.walk import walked
from functions.contract.function import EventStream, StreamForm, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from models_registry.fronts.messages.front import MessagesFront
from models_registry.fronts.messages.request import has_inner_system, left_out
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from models_registry.turns.messages_form import PING_EVENT, failure_event
from schema.errors.upstream import UpstreamError
from schema.messages import CountedTokens, CountRequest, MessagesAnswer, MessagesRequest
from schema.messages_errors import anthropic_form

MESSAGES_STREAM = StreamForm(ping=PING_EVENT, failed=failure_event, passes_comments=False)
ABOUT_ROLES = re.compile(r"\bsystem\b|\broles?\b|template", re.IGNORECASE)
"""What errors about the order of messages speak of, such as `System message must be at the beginning.`"""
NO_INNER_SYSTEM = (
    "The role 'system' inside 'messages' is not supported by this model: put the instructions into 'system'."
)
REQUEST_ID = "request-id"
"""The header in which Anthropic's SDKs look for the id of a call."""


@function(
    "POST",
    "/v1/messages",
    access=Access.MODEL,
    call_type="anthropic_messages",
    error_form=anthropic_form,
    stream_form=MESSAGES_STREAM,
)
async def messages(request: MessagesRequest, ctx: ModelContext) -> MessagesAnswer | EventStream:
    """Answer a conversation in Anthropic's form, by any model, in one piece or as a stream of events."""
    ctx.call.reply_headers[REQUEST_ID] = ctx.call.request_id
    return await walked(request, ctx, MessagesExchange)


@function(
    "POST",
    "/v1/messages/count_tokens",
    access=Access.MODEL,
    call_type="acount_tokens",
    error_form=anthropic_form,
)
async def count_tokens(request: CountRequest, ctx: ModelContext) -> CountedTokens:
    """Count the tokens of a conversation: at Anthropic by the provider itself, else by an estimate. It costs
    nothing, and has no row."""
    ctx.call.reply_headers[REQUEST_ID] = ctx.call.request_id
    if ctx.guardrails.rules.contents.rules:
        request = await by_rules(request, ctx.call, ctx.guardrails)
    return await ctx.routes.walk(ctx.call, request.model, Counting(request, ctx))


class MessagesExchange(SurfaceExchange[MessagesRequest, MessagesAnswer]):
    """A conversation sent to one deployment, and its answer."""

    __slots__ = ()
    front = MessagesFront()
    blank = MessagesAnswer(content=[])

    def __init__(self, request: MessagesRequest, target: Target, facts: CallFacts) -> None:
        super().__init__(request, target, facts)
        if not self.is_native:
            self.changed = (*left_out(request, target), *self.changed)

    def told(self, error: UpstreamError) -> UpstreamError:
        """Templates of some models take no instruction in the middle of a conversation. Claude Code sends
        such instructions, and leaves them out where an error says so in Anthropic's words."""
        is_about_roles = error.http_status == 400 and ABOUT_ROLES.search(error.said or error.message)
        if is_about_roles and not self.is_native and has_inner_system(self.request):
            error.message = f"{error.message} {NO_INNER_SYSTEM}"
        return error

    def answer_id(self, answer: MessagesAnswer | EventStream) -> str | None:
        return (answer.id or None) if isinstance(answer, MessagesAnswer) else None
