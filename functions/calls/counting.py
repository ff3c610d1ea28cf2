"""How the tokens of a request are counted: one attempt that holds nothing and books nothing."""

import msgspec

from functions.calls.attempt import checked_local
from functions.calls.guarded import Guarding, asked_for
from functions.ports.context import ModelContext
from models_registry.backends import BACKENDS
from models_registry.backends.anthropic.native import count_request, counted_tokens
from models_registry.backends.headers import told_headers
from models_registry.bounds.estimate import estimated_input
from models_registry.fronts.messages.request import turns_from
from models_registry.routing.choice import Shape
from models_registry.target import Residency, Target
from models_registry.turns.facts import CallFacts
from schema.errors.base import GatewayError
from schema.messages import CountedTokens, CountRequest, MessagesRequest
from schema.wire import typed_body

_REQUESTS = msgspec.json.Decoder(MessagesRequest)


class Counting:
    """The attempts to count. Implements `functions.ports.models.Attempting`."""

    def __init__(self, request: CountRequest, ctx: ModelContext) -> None:
        """`request` is the request as the rules about contents left it."""
        self._request = request
        self._ctx = ctx
        self._wanted = asked_for(request.raw)

    async def at(self, target: Target) -> CountedTokens:
        """The count of the provider where its dialect has one, else an estimate."""
        if not target.dialect.facts.counts_tokens:
            return CountedTokens(input_tokens=estimated_input(turns_from(self._as_call(), target)))
        ctx = self._ctx
        call = ctx.call
        request = self._request
        if ctx.guardrails.rules.defaults or call.caller.guardrails or target.guardrails or self._wanted:
            request = await Guarding(call, ctx.guardrails, request, self._wanted).before(target)
        facts = CallFacts(
            request_id=call.request_id, created=int(call.received_at.timestamp()), pass_on=call.pass_on
        )
        near = target.residency is Residency.LOCAL
        if call.stays_local:
            near = await checked_local(target, ctx)
        outgoing = count_request(request, target, facts)
        response = await ctx.upstream.open(outgoing, target.deadlines, near=near, judged=target.judged)
        try:
            call.provider_side.headers = told_headers(response.raw_headers, target)
            body = await response.read()
        finally:
            response.close()
        if response.status != 200:
            raise BACKENDS[target.dialect].error(response.status, response.headers, body, target)
        return counted_tokens(body, target)

    def end(self, error: GatewayError, *, final: bool) -> None:
        """Nothing was held."""

    def shape(self) -> Shape:
        return Shape()

    def _as_call(self) -> MessagesRequest:
        fields = self._request.fields()
        return typed_body(_REQUESTS, msgspec.json.encode(fields), fields)
