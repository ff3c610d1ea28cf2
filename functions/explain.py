"""Why a call would go where it would go: its candidates, what is passed over, prices, budgets and limits."""

from decimal import Decimal

import msgspec

from functions.calls.chat_exchange import ChatExchange
from functions.calls.guarded import Guarding, asked_for
from functions.calls.screened import RULE, judged, refused_by
from functions.calls.shape import shape_of
from functions.contract.call import Call
from functions.contract.function import function
from functions.contract.roles import PROXY_ADMIN, PROXY_ADMIN_VIEWER, Access
from functions.ports.context import ExplainContext
from functions.rules.conversations import PREVIOUS, going_on, previous_of
from models_registry.config.guardrails import Moment
from models_registry.contents.rules import RuleRefusal
from models_registry.routing.plan import Candidate, RoutePlan
from models_registry.routing.record import passed_over
from models_registry.target import UNORDERED
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest
from schema.errors.base import GatewayError
from schema.explain import (
    ExplainedCandidate,
    ExplainedDrop,
    ExplainRequest,
    Explanation,
    Refusal,
)
from schema.labels import labels_of, together
from schema.money import usd
from schema.responses import ResponsesRequest
from schema.route_options import route_options_of
from schema.wire import ABSENT, present, typed_body

MESSAGES = "messages"
MOST_CANDIDATES = 100
_CHATS = msgspec.json.Decoder(ChatRequest)
_RESPONSES = msgspec.json.Decoder(ResponsesRequest)


@function("POST", "/route/explain", access=Access.MODELS_READ)
async def explain(request: ExplainRequest, ctx: ExplainContext) -> Explanation:
    """Say where a call would go, and why. Nothing is sent, held or booked."""
    request, stays = await _going_on(request, ctx)
    call, seen_whole = _labelled(ctx.call, request), _sees_all(ctx.call)
    options = route_options_of({}, request.raw)
    chat = _chat_of(request)
    refusal, rules_found = await _screened(request, call, ctx)
    plan = ctx.plans.plan(call, request.model, shape_of(request, stays), options)
    candidates = [
        await _shown(each, chat, ctx, seen_whole=seen_whole) for each in plan.candidates[:MOST_CANDIDATES]
    ]
    name = plan.candidates[0].target.public_name if plan.candidates else request.model
    guardrails, barred = _guardrails(request, call, plan, ctx)
    refusal = refusal or plan.refusal or barred
    rules = await ctx.quotes.rules(call, name, everything=seen_whole)
    return Explanation(
        model=request.model,
        public_name=name,
        strategy=ctx.plans.strategy,
        stays_local=call.stays_local,
        candidates=candidates,
        dropped=_drops(plan, whole=seen_whole),
        budgets=[each for each in rules if each.kind == "budget"],
        limits=[each for each in rules if each.kind != "budget"],
        guardrails=guardrails,
        rules=rules_found,
        refusal=None if refusal is None else _refusal(refusal),
    )


async def _going_on(request: ExplainRequest, ctx: ExplainContext) -> tuple[ExplainRequest, str]:
    """The request with the conversation of the stored response that it goes on from, and the deployment that
    gave the response. The call stays local where the conversation does. Raises InvalidRequest."""
    if not present(request.raw.get(PREVIOUS, ABSENT)):
        return request, ""
    asked = typed_body(_RESPONSES, msgspec.json.encode(request.raw), request.raw)
    before = await previous_of(asked.previous_response_id or "", ctx.call, ctx.state)
    if before.stays_local and not ctx.call.stays_local:
        ctx.call.keep_local("conversation")
    found = msgspec.structs.replace(request)
    found.with_raw(going_on(asked, before).raw)
    return found, before.deployment


async def _screened(
    request: ExplainRequest, call: Call, ctx: ExplainContext
) -> tuple[GatewayError | None, list[str]]:
    """What the rules about contents would make of the call: their refusal, and which of them find something.
    The plan is that of a call which stays local, where one says so."""
    if not ctx.guardrails.rules.contents.rules:
        return None, []
    try:
        found = await judged(request, ctx.guardrails)
    except RuleRefusal as refusal:
        return refused_by(refusal), [refusal.rule]
    if found.local_by and not call.stays_local:
        for each in (call, ctx.call):
            each.keep_local(RULE + found.local_by)
    return None, list(found.counts)


def _guardrails(
    request: ExplainRequest, call: Call, plan: RoutePlan, ctx: ExplainContext
) -> tuple[list[str], GatewayError | None]:
    """The guardrails that the call would pass, and why it could not pass them."""
    if not plan.candidates:
        return [], None
    try:
        guarding = Guarding(call, ctx.guardrails, request, asked_for(request.raw))
        target = plan.candidates[0].target
        found = [each.name for moment in Moment for each in guarding.over(target, moment)]
    except GatewayError as error:
        return [], error
    return list(dict.fromkeys(found)), None


async def _shown(
    candidate: Candidate, chat: ChatRequest | None, ctx: ExplainContext, *, seen_whole: bool
) -> ExplainedCandidate:
    target = candidate.target
    most_cost, refuses = _quoted(candidate, chat, ctx)
    return ExplainedCandidate(
        model=target.public_name,
        id=target.model_id,
        provider=target.provider,
        provider_model=target.model,
        api_base=target.api_base if seen_whole else None,
        fallbacks=candidate.fallbacks,
        state=ctx.plans.state_of(target).value,
        local=target.residency.is_local,
        order=None if target.order == UNORDERED else target.order,
        weight=target.weight,
        price_source=None if target.price is None else target.price.source,
        most_cost=most_cost,
        refuses=refuses,
        limits=list(await ctx.quotes.capacity(target)) if seen_whole else [],
    )


def _quoted(
    candidate: Candidate, chat: ChatRequest | None, ctx: ExplainContext
) -> tuple[Decimal | None, str | None]:
    """The most that the attempt can cost, and why the deployment would refuse it."""
    if chat is None:
        return None, None
    facts = CallFacts(request_id="", created=0, stays_local=bool(ctx.call.stays_local))
    try:
        exchange = ChatExchange(chat, candidate.target, facts)
        exchange.outgoing()
        ceiling = ctx.quotes.ceiling(candidate.target, exchange.bounds())
    except GatewayError as error:
        return None, error.message
    return None if ceiling is None else usd(ceiling), None


def _chat_of(request: ExplainRequest) -> ChatRequest | None:
    """The chat call in the body. None: the body is another surface's. Raises InvalidRequest."""
    if MESSAGES not in request.raw:
        return None
    return typed_body(_CHATS, msgspec.json.encode(request.raw), request.raw)


def _labelled(call: Call, request: ExplainRequest) -> Call:
    """The call with what its body says of it. Raises InvalidRequest."""
    labels = labels_of({}, request.raw)
    return msgspec.structs.replace(
        call,
        tags=together(labels.tags, call.caller.tags),
        session_id=labels.session_id,
        customer=labels.customer,
    )


def _sees_all(call: Call) -> bool:
    return not call.caller.roles.isdisjoint((PROXY_ADMIN, PROXY_ADMIN_VIEWER))


def _drops(plan: RoutePlan, *, whole: bool) -> list[ExplainedDrop]:
    found = (passed_over(drop, whole=whole) for drop in plan.drops)
    return [ExplainedDrop(model=each.model, id=each.id, why=each.why, detail=each.detail) for each in found]


def _refusal(error: GatewayError) -> Refusal:
    return Refusal(status=error.http_status, reason=error.reason, message=error.message)
