"""How one attempt at a model goes, for all endpoints: hold the cost, open, read or relay, end the hold.

An endpoint writes an `Exchange`, which says what is its own: the provider's request, the bounds, how the
answer is read, and whether it streams. `Attempts` does the rest.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from functions.calls.answer_head import with_model
from functions.calls.cached import CACHE_KEY_HEADER, CacheUse, NotedHold, use_of
from functions.calls.guarded import Guarding, asked_for
from functions.calls.guarded_stream import LateHold
from functions.calls.readers import Readers
from functions.calls.relay import EventWait
from functions.calls.shape import shape_of
from functions.ports.cache import KeptAnswer
from functions.ports.context import ModelContext
from functions.ports.models import Bounds, Hold, UpstreamResponse
from models_registry.backends import BACKENDS
from models_registry.backends.addresses import NamedFile
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.dropping import DROP_FIELD, WithFields, left
from models_registry.backends.headers import told_headers
from models_registry.backends.parameters import GUARDRAILS_FIELD
from models_registry.bounds.chat import with_output_limit
from models_registry.prices.charges import NOTHING
from models_registry.routing.choice import Shape
from models_registry.target import Residency, Target
from models_registry.turns.facts import CallFacts
from schema.errors.base import GatewayError
from schema.errors.models import NotLocal
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.errors.upstream import UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import Wire, to_json

CHANGED_HEADER = "x-switchgear-changed"
MAX_TOLD = 20
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
R = TypeVar("R", bound=WithFields)
B = TypeVar("B", bound=Bounds)
A = TypeVar("A")


class Exchange(ABC, Generic[R, B, A]):
    """A request to one deployment and its answer, as one endpoint understands them. `R` is the caller's
    request, `B` the bounds, `A` what the endpoint answers. An exchange does no IO of its own."""

    __slots__ = ("backend", "changed", "facts", "name", "request", "target")

    def __init__(self, request: R, target: Target, facts: CallFacts) -> None:
        self.request = request
        self.target = target
        self.facts = facts
        self.backend = BACKENDS[target.dialect]
        self.changed: tuple[str, ...] = ()
        """The request's fields that were changed or left out for this deployment's model."""
        self.name = ""
        """What the answer calls its model. Empty: what the provider calls it."""

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

    def wanted(self) -> Sequence[NamedFile]:
        """The files that the gateway has to fetch before the request can be sent. Once they are fetched they
        stand in `facts`, and `outgoing` is asked for again."""
        return ()

    def told(self, error: UpstreamError) -> UpstreamError:
        """A provider's error answer as the caller is told it."""
        return error

    def answer_id(self, answer: A) -> str | None:
        """The id in an answer, by which its row is found. None: such answers have none."""
        return None

    def relay(self, response: UpstreamResponse, hold: Hold, bounds: B, wait: EventWait) -> Awaitable[A]:
        """Wait for the first event, and give the stream. From then on the stream ends the hold."""
        raise NotImplementedError

    def copied(self, stream: A, use: CacheUse, hold: NotedHold) -> A:
        """The stream that `relay` gave, so that it is kept when it is over."""
        raise NotImplementedError

    async def guarded(
        self,
        stream: A,
        hold: LateHold,
        guarding: Guarding[Any],
        readers: Readers,
        changed: Callable[[], None],
    ) -> A:
        """The stream that `relay` gave, so that it is read before its client is sent it. Waits for the first
        window. `changed` is told when a reader changes something."""
        raise NotImplementedError

    @abstractmethod
    def replayed(self, body: bytes) -> A:
        """An answer that was kept: a stream where the request asks for one."""

    def limit_output(self, tokens: int) -> None:
        """Ask the provider for at most so many tokens in an answer, such as 4,096."""
        self.target = with_output_limit(self.target, tokens)


class Attempts(Generic[R, B, A]):
    """The attempts of one call. Implements `functions.ports.models.Attempting`."""

    __slots__ = ("_ctx", "_exchange", "_facts", "_failed", "_guarding", "_guards", "_request", "_stays")

    def __init__(
        self,
        request: R,
        ctx: ModelContext,
        exchange: Callable[[R, Target, CallFacts], Exchange[R, B, A]],
        stays: str = "",
    ) -> None:
        """`request` is the request as the rules about contents left it. `stays` is the id of the deployment
        that gave the response which the request goes on from."""
        call = ctx.call
        door = ctx.guardrails
        rules = door.rules
        self._stays = stays
        self._request = request
        self._ctx = ctx
        self._exchange = exchange
        self._facts = CallFacts(
            request_id=call.request_id,
            created=int(call.received_at.timestamp()),
            pass_on=call.pass_on,
            stays_local=bool(call.stays_local),
            caches_prompts=call.caller.caches_prompts,
        )
        wanted = asked_for(request.raw) if GUARDRAILS_FIELD in request.raw else ()
        self._guards = bool(rules.defaults or call.caller.guardrails or wanted or rules.contents.answers)
        """Whether the call is read by somebody, whatever the deployment is."""
        self._guarding = Guarding(call, door, request, wanted) if self._guards else None
        self._failed: tuple[Hold, Usage | None] | None = None
        """The hold of an attempt that failed, with the usage where it is known, until the router ends it."""

    async def at(self, target: Target) -> A:
        """One attempt at one deployment."""
        ctx, request = self._ctx, self._request
        near = target.residency is Residency.LOCAL
        if ctx.call.stays_local:
            near = await checked_local(target, ctx)
        after: Readers | None = None
        if self._guards or target.guardrails:
            after = self._guarded(request).readers(target)
            request = await self._guarded(request).before(target)
        asked = request
        left_out: tuple[str, ...] = ()
        if target.dropped or DROP_FIELD in request.raw:
            request, left_out = left(request, target.dropped)
        facts = self._facts
        if target.dialect.facts.loads_contexts:
            facts = msgspec.structs.replace(facts, loaded_context=await ctx.contexts.loaded(target))
        exchange = self._exchange(request, target, facts)
        exchange.name = ctx.call.provider_side.name
        outgoing, bounds, streamed = exchange.outgoing(), exchange.bounds(), exchange.streamed
        use: CacheUse | None = None
        if ctx.cache.is_on:
            form, fields = type(exchange).__name__, asked.fields()
            use = use_of(ctx.call, ctx.cache, fields, target, form)
            if use is not None and (kept := await use.found()) is not None:
                self._tell_changed((*left_out, *exchange.changed, *outgoing.changed))
                return await self._replay(kept, use.key, exchange, bounds, after)
        hold = await ctx.ledger.hold(
            ctx.call, target, streamed=streamed, bounds=bounds, customer=ctx.call.customer
        )
        if wanted := exchange.wanted():
            outgoing = await self._with_files(exchange, wanted, hold)
        self._tell_changed((*left_out, *exchange.changed, *outgoing.changed))
        response: UpstreamResponse | None = None
        used: Usage | None = None
        late: LateHold | None = None
        try:
            if hold.output_limit is not None:
                exchange.limit_output(hold.output_limit)
                outgoing = exchange.outgoing()
                use = None  # the answer may be shorter than what the request asks for
            if outgoing.context_tokens:
                ctx.contexts.sent(target, outgoing.context_tokens)
            if streamed:
                ctx.call.silence.sent()
            response = await ctx.upstream.open(outgoing, target.deadlines, near=near, judged=target.judged)
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
                if use is None and after is None:
                    return await exchange.relay(response, hold, bounds, wait)
                noted = NotedHold(hold)
                if after is None:
                    stream = await exchange.relay(response, noted, bounds, wait)
                else:
                    late = LateHold(noted)
                    stream = await exchange.relay(response, late, bounds, wait)
                    changed = use.leave if use is not None else _nothing
                    stream = await exchange.guarded(stream, late, self._guarded(asked), after, changed)
                return stream if use is None else exchange.copied(stream, use, noted)
            body = await response.read()
            ctx.call.provider_side.waited_s += response.took_s
            answer, usage = _read(exchange, body, bounds)
            answer = with_model(answer, exchange.name)
            if after is not None and isinstance(answer, Wire):
                used = usage
                whole = answer.wire or to_json(answer)
                told = await self._guarded(asked).answer(after, whole, target.public_name)
                if told is not None:
                    answer, use = exchange.replayed(told), None
            hold.answered(exchange.answer_id(answer))
            hold.settle(usage)
            if use is not None and isinstance(answer, Wire):
                use.keep(answer.wire or to_json(answer), usage, exchange.answer_id(answer))
        except asyncio.CancelledError as exc:
            _close(response)
            if late is not None:
                late.finish()
            if late is None or not late.is_over:
                _end_leaving(hold, exc, used or bounds.usage())
            raise
        except GatewayError as error:
            _close(response)
            if used is not None:
                hold.fail(error, used)
            elif late is None or not late.is_over:
                self._failed = (hold, None if late is None else late.usage)
            raise
        except Exception as error:
            _close(response)
            if late is None or not late.is_over:
                hold.fail(error, used)
            raise
        await hold.charged()
        return answer

    def _guarded(self, request: R) -> "Guarding[R]":
        """The guardrails of the call. `request` is the request as none of them has seen it."""
        if self._guarding is None:
            self._guarding = Guarding(self._ctx.call, self._ctx.guardrails, request, ())
        return self._guarding

    async def _replay(
        self,
        kept: KeptAnswer,
        key: str,
        exchange: Exchange[R, B, A],
        bounds: B,
        after: Readers | None,
    ) -> A:
        """An answer that was kept. The call is held and booked as any other, so that budgets and limits over
        its caller count it. It costs nothing, and takes nothing of the deployment's own limits."""
        call = self._ctx.call
        target, body = exchange.target, kept.body
        unlimited = msgspec.structs.replace(target, capacity=None)
        hold = await self._ctx.ledger.hold(
            call, unlimited, streamed=exchange.streamed, bounds=bounds, customer=call.customer
        )
        if after is not None:
            guarding = self._guarded(self._request)
            check = guarding.stream if exchange.streamed else guarding.answer
            try:
                body = await check(after, body, target.public_name) or body
            except asyncio.CancelledError as exc:
                _end_leaving(hold, exc, NOTHING)
                raise
            except Exception as error:
                hold.fail(error, NOTHING)
                raise
        hold.answered(kept.answer_id)
        hold.settle_hit(kept.usage)
        call.reply_headers[CACHE_KEY_HEADER] = key
        return exchange.replayed(body)

    def _tell_changed(self, changed: Sequence[str]) -> None:
        """Name the request's fields that were changed or left out, in the answer's head."""
        call = self._ctx.call
        if changed:
            call.reply_headers[CHANGED_HEADER] = told_names(changed)
        elif call.attempts:
            call.reply_headers.pop(CHANGED_HEADER, None)

    async def _with_files(
        self, exchange: Exchange[R, B, A], wanted: Sequence[NamedFile], hold: Hold
    ) -> UpstreamRequest:
        """The provider's request with the files that the caller names. They are fetched once for all
        attempts, and under the hold, so that limits count the call. Nothing was sent to the provider yet, so
        whatever goes wrong costs nothing."""
        call = self._ctx.call
        missing = [each for each in wanted if each.url not in self._facts.files]
        try:
            found = await self._ctx.files.fetched(
                missing, call.take_room, near=bool(call.stays_local), whose=call.caller.key_hash
            )
            files = {**self._facts.files, **found}
            self._facts = msgspec.structs.replace(self._facts, files=files)
            exchange.facts = msgspec.structs.replace(exchange.facts, files=files)
            return exchange.outgoing()
        except asyncio.CancelledError as exc:
            _end_leaving(hold, exc, NOTHING)
            raise
        except GatewayError:
            self._failed = (hold, None)
            raise
        except Exception as error:
            hold.fail(error, NOTHING)
            raise

    def shape(self) -> Shape:
        """What the request says that decides about deployments."""
        return shape_of(self._request, self._stays)

    def end(self, error: GatewayError, *, final: bool) -> None:
        """Book the attempt that failed with this error. An attempt that failed before its hold has no row."""
        failed, self._failed = self._failed, None
        if failed is not None:
            hold, usage = failed
            hold.fail(error, usage, final=final)


async def checked_local(target: Target, ctx: ModelContext) -> bool:
    """For a call that stays local: whether the address that is connected to has to be near. Whoever chose the
    deployment, the call leaves to no other one. Raises NotLocal."""
    if not target.residency.is_local:
        raise NotLocal.of(target.public_name)
    if target.residency is Residency.TRUSTED:
        return False
    if await ctx.contexts.is_remote(target):
        raise NotLocal(
            f"The model `{target.public_name}` may not be used by a call that stays local (local_only): its "
            "host passes it on to another one, or does not say.",
            param="model",
        )
    return True


def told_names(names: Iterable[str]) -> str:
    """Names of fields as a header says them. A caller chooses names: `?` stands for an odd one, and `...` for
    those beyond MAX_TOLD."""
    told = list(dict.fromkeys(name if _NAME.fullmatch(name) else "?" for name in names))
    return ", ".join([*told[:MAX_TOLD], *(["..."] if len(told) > MAX_TOLD else [])])


def _nothing() -> None:
    """Nobody wants to know."""


def _end_leaving(hold: Hold, why: asyncio.CancelledError, usage: Usage) -> None:
    """End the hold of an attempt that is cancelled: the worker stops, or the client left."""
    if SHUTTING_DOWN in why.args:
        hold.fail(ShuttingDown("The worker stopped."), usage)
    else:
        hold.cancel(usage)


def _read(exchange: Exchange[Any, B, A], body: bytes, bounds: B) -> tuple[A, Usage]:
    """The answer, and what it used. Raises the provider's error, and UpstreamMalformed."""
    try:
        return exchange.answer(body, bounds)
    except UnicodeDecodeError:  # in a part that was left as it came
        raise UpstreamMalformed("The provider's answer is not UTF-8.") from None


def _close(response: UpstreamResponse | None) -> None:
    if response is not None:
        response.close()
