"""How one attempt at a model goes, for all endpoints: hold the cost, open, read or relay, end the hold.

An endpoint writes an `Exchange`, which says what is its own: the provider's request, the bounds, how the
answer is read, and whether it streams. `Attempts` does the rest.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from functions.calls.relay import EventWait
from functions.ports.context import ModelContext
from functions.ports.models import Bounds, Hold, UpstreamResponse
from models_registry.backends import BACKENDS
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.dropping import DROP_FIELD, WithFields, left
from models_registry.backends.headers import told_headers
from models_registry.bounds.chat import with_output_limit
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.errors import SHUTTING_DOWN, GatewayError, ShuttingDown, UpstreamError
from schema.usage import Usage

CHANGED_HEADER = "x-switchgear-changed"
MAX_TOLD = 20
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
R = TypeVar("R", bound=WithFields)
B = TypeVar("B", bound=Bounds)
A = TypeVar("A")


class Exchange(ABC, Generic[R, B, A]):
    """A request to one deployment and its answer, as one endpoint understands them. `R` is the caller's
    request, `B` the bounds, `A` what the endpoint answers. An exchange does no IO of its own."""

    __slots__ = ("backend", "changed", "facts", "request", "target")

    def __init__(self, request: R, target: Target, facts: CallFacts) -> None:
        self.request = request
        self.target = target
        self.facts = facts
        self.backend = BACKENDS[target.dialect]
        self.changed: tuple[str, ...] = ()
        """The request's fields that were changed or left out for this deployment's model."""

    @property
    def streamed(self) -> bool:
        """True where the answer is relayed as it comes: `relay` is called. Else `answer` is."""
        return False

    @abstractmethod
    def outgoing(self) -> UpstreamRequest:
        """The provider's request. It is asked for again after `limit_output`. Raises UnsupportedParameter or
        InvalidRequest."""

    @abstractmethod
    def bounds(self) -> B:
        """The most that the call can use at this deployment."""

    @abstractmethod
    def answer(self, body: bytes, bounds: B) -> tuple[A, Usage]:
        """The endpoint's answer from the body of a 200, and what is booked for it. Raises UpstreamError."""

    def told(self, error: UpstreamError) -> UpstreamError:
        """A provider's error answer as the caller is told it."""
        return error

    def answer_id(self, answer: A) -> str | None:
        """The id in an answer, by which its row is found. None: such answers have none."""
        return None

    def relay(self, response: UpstreamResponse, hold: Hold, bounds: B, wait: EventWait) -> Awaitable[A]:
        """Wait for the first event, and give the stream. From then on the stream ends the hold."""
        raise NotImplementedError

    def limit_output(self, tokens: int) -> None:
        """Ask the provider for at most so many tokens in an answer, such as 4,096."""
        self.target = with_output_limit(self.target, tokens)


class Attempts(Generic[R, B, A]):
    """The attempts of one call. Implements `functions.ports.models.Attempting`."""

    __slots__ = ("_ctx", "_exchange", "_facts", "_failed", "_request")

    def __init__(
        self,
        request: R,
        ctx: ModelContext,
        exchange: Callable[[R, Target, CallFacts], Exchange[R, B, A]],
    ) -> None:
        call = ctx.call
        self._request = request
        self._ctx = ctx
        self._exchange = exchange
        self._facts = CallFacts(
            request_id=call.request_id, created=int(call.received_at.timestamp()), pass_on=call.pass_on
        )
        self._failed: Hold | None = None
        """The hold of an attempt that failed, until the router ends it."""

    async def at(self, target: Target) -> A:
        """One attempt at one deployment."""
        ctx, request = self._ctx, self._request
        left_out: tuple[str, ...] = ()
        if target.dropped or DROP_FIELD in request.raw:
            request, left_out = left(request, target.dropped)
        facts = self._facts
        if target.dialect.facts.loads_contexts:
            facts = msgspec.structs.replace(facts, loaded_context=await ctx.contexts.loaded(target))
        exchange = self._exchange(request, target, facts)
        outgoing, bounds, streamed = exchange.outgoing(), exchange.bounds(), exchange.streamed
        hold = await ctx.ledger.hold(
            ctx.call, target, streamed=streamed, bounds=bounds, customer=ctx.call.customer
        )
        changed = (*left_out, *exchange.changed, *outgoing.changed)
        if changed:
            ctx.call.reply_headers[CHANGED_HEADER] = told_names(changed)
        elif ctx.call.attempts:
            ctx.call.reply_headers.pop(CHANGED_HEADER, None)
        response: UpstreamResponse | None = None
        try:
            if hold.output_limit is not None:
                exchange.limit_output(hold.output_limit)
                outgoing = exchange.outgoing()
            if outgoing.context_tokens:
                ctx.contexts.sent(target, outgoing.context_tokens)
            if streamed:
                ctx.call.silence.sent()
            response = await ctx.upstream.open(outgoing, target.deadlines)
            ctx.call.provider_side.headers = told_headers(response.raw_headers, target)
            if response.status != 200:
                body = await response.read()
                # No name holds the error: it would keep this frame, and so the call's body.
                raise exchange.told(
                    exchange.backend.error(response.status, response.headers, body, exchange.target)
                )
            if streamed:
                deadlines = target.deadlines
                wait = EventWait(ctx.call.silence, deadlines.first_byte_s, deadlines.idle_s)
                return await exchange.relay(response, hold, bounds, wait)
            body = await response.read()
            ctx.call.provider_side.waited_s += response.took_s
            answer, usage = exchange.answer(body, bounds)
            hold.answered(exchange.answer_id(answer))
            hold.settle(usage)
            return answer
        except asyncio.CancelledError as exc:
            if SHUTTING_DOWN in exc.args:
                hold.fail(ShuttingDown("The worker stopped."), bounds.usage())
            else:
                hold.cancel(bounds.usage())
            _close(response)
            raise
        except GatewayError:
            self._failed = hold
            _close(response)
            raise
        except Exception as error:
            hold.fail(error)
            _close(response)
            raise

    def end(self, error: GatewayError, *, final: bool) -> None:
        """Book the attempt that failed with this error. An attempt that failed before its hold has no row."""
        hold, self._failed = self._failed, None
        if hold is not None:
            hold.fail(error, final=final)


def told_names(names: Iterable[str]) -> str:
    """Names of fields as a header says them. A caller chooses names: `?` stands for an odd one, and `...` for
    those beyond MAX_TOLD."""
    told = list(dict.fromkeys(name if _NAME.fullmatch(name) else "?" for name in names))
    return ", ".join([*told[:MAX_TOLD], *(["..."] if len(told) > MAX_TOLD else [])])


def _close(response: UpstreamResponse | None) -> None:
    if response is not None:
        response.close()
