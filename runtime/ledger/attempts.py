"""The ledger port: a hold an upstream attempt, and one ending, whichever way.

Both are written down (`runtime/ledger/journal.py`) before anything else happens. Where that has no room, new
calls are refused, since what can't be booked may not be spent.
"""

import itertools
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

import msgspec

from functions.contract.call import Attempted, Call
from functions.ports.models import Bounds
from models_registry.prices.charges import NOTHING
from models_registry.prices.price import Price
from models_registry.routing.fleet import Fleet
from models_registry.target import Target
from runtime.ledger.spend_row import (
    CLIENT_LEFT,
    MAX_COST_NANO,
    Attempt,
    Ending,
    believable,
    ending_of_failure,
    held_of,
    mended,
    refusal_row,
    settled_of,
    with_images,
)
from runtime.limits.admission import MAX_TOKENS_HEADER, Admission
from runtime.limits.ceilings import ceiling_of
from runtime.limits.governor import Debt
from runtime.telemetry.tally import Tally
from runtime.upstream.router import ONE_ATTEMPT
from runtime.upstream.watch import Watch
from schema.errors.overload import Overloaded
from schema.ledger.journal import Held, Settled
from schema.ledger.rows import Outcome, SpendRow, earlier_id
from schema.money import dollars_text
from schema.usage import Usage

COST_HEADER = "x-litellm-response-cost"
MAX_UNPRICED_TIERS = 1_000
"""Names come from providers."""

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where it is written down. Nothing here waits."""

    @property
    def full(self) -> bool:
        """True while no more work should be begun."""
        ...

    def hold(self, held: Held) -> None:
        """An attempt is about to be sent."""
        ...

    def settle(self, settled: Settled) -> None:
        """It ended; never refuses."""
        ...

    def put(self, row: SpendRow) -> None:
        """A row of a call that was never held."""
        ...


class Admitting(Protocol):
    """Who lets attempts in, under budgets and limits."""

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission: ...

    def settle(self, admission: Admission, settled: Settled) -> Debt | None:
        """The attempt is over. The result is the debt of one that cost more than was held for it."""
        ...

    def release(self, admission: Admission) -> None:
        """It was not begun after all."""
        ...

    def leaves_slot(self, admission: Admission) -> bool:
        """Whether the deployment's slot that it gave back is here for the next call."""
        ...


class Watching(Protocol):
    """Who keeps an eye on how deployments do."""

    @property
    def fleet(self) -> Fleet:
        """How deployments stand. While it is quiet, attempts at the only deployment of a model are not
        watched."""
        ...

    def began(self, target: Target) -> None:
        """An attempt is about to be sent."""
        ...

    def stream_began(self, target: Target) -> None:
        """The first event of a stream came."""
        ...

    def freed(self, target: Target) -> None:
        """An attempt at a deployment with limits of its own has given back what it held."""
        ...

    def ended(self, attempt: Attempt, settled: Settled, error: Exception | None, *, begun: bool) -> bool:
        """The attempt is over. `begun`: it was said to have begun. True where a cooldown began, or became
        longer."""
        ...


class BookedLedger:
    """Implements `functions.ports.models.Ledger`. `clock` is the monotonic one of `Call.received_mono`."""

    def __init__(
        self,
        sink: Sink,
        admissions: Admitting,
        clock: Callable[[], float] = time.monotonic,
        *,
        tally: Tally | None = None,
        watch: Watching | None = None,
    ) -> None:
        self._watch = watch or Watch(Fleet())
        self._fleet = self._watch.fleet
        self._sink = sink
        self._admissions = admissions
        self._clock = clock
        self._tally = tally or Tally(())
        self._unbooked = 0
        self._places = itertools.count(1)
        self.under_way: dict[int, Attempt] = {}
        """The attempts that have a hold, each by a number of its own: a call may have two at once."""
        self._unpriced_tiers: set[tuple[str, str]] = set()
        """Deployment and tier of which the log has been told; each is told once."""

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> "AttemptHold":
        """Let an attempt in. Raises Overloaded while the ledger can take no more, and what
        `functions.ports.models.Ledger.hold` does."""
        if self._sink.full:
            raise Overloaded(
                "The spend ledger is full: the database has been away too long.", retry_after_s=5
            )
        headers = call.reply_headers
        if call.attempts:  # what the one before it said is not true of this one
            call.limit_headers.clear()
            headers.pop(MAX_TOKENS_HEADER, None)
            headers.pop(COST_HEADER, None)
        admission = await self._admissions.admit(call, target, bounds, customer)
        side = call.provider_side
        side.deployment = _deployment_headers(
            (target.model_id, target.public_name, target.api_base, target.provider, target.model),
            target.deadlines.total_s,
            side.max_retries,
        )
        attempt = Attempt(
            call=call,
            target=target,
            streamed=streamed,
            began_mono=self._clock(),
            customer=customer,
            number=len(call.attempts) + 1,
        )
        try:
            self._write_down(attempt, admission, bounds)
        except BaseException:
            self._admissions.release(admission)
            raise
        call.attempts.append(Attempted(call.request_id, target.public_name))
        hold = AttemptHold(attempt, admission, bounds, self, place=next(self._places))
        self.under_way[hold.place] = attempt
        if target.peers > 1 or not self._fleet.quiet:
            self._watch.began(target)
            hold.watched = True
        return hold

    def _write_down(self, attempt: Attempt, admission: Admission, bounds: Bounds) -> None:
        price, bound, ceiling = attempt.target.price, bounds.usage(), admission.ceiling_nano
        if ceiling is None:
            ceiling = 0 if price is None else ceiling_of(price, bounds, bound.completion_tokens)
        if price is not None and price.image:
            bound = with_images(bound, bounds.images)
        self._sink.hold(held_of(attempt, bound, min(ceiling, MAX_COST_NANO), admission.charges))

    def refuse(self, call: Call, error: Exception, *, model: str) -> None:
        """Book an authenticated call that failed before it had a hold, or between two; a call whose last
        attempt has one is booked by it, and this does nothing. While the ledger is full the row is lost,
        and logged."""
        if call.has_row:
            return
        if self._sink.full:
            self._unbooked += 1
            log.error("spend ledger full: %d refusals have no row", self._unbooked)
            return
        row = refusal_row(call, error, model=model, ended_mono=self._clock())
        try:
            self._sink.put(row)
        except ValueError as exc:
            log.error("the refusal of %s has no row: %s", row.request_id, exc)

    def book(self, hold: "AttemptHold", ending: Ending) -> None:
        """Write down how an attempt ended, and give back what it held and did not use."""
        attempt = hold.attempt
        self.under_way.pop(hold.place, None)
        if not ending.final:
            row_id = earlier_id(attempt.call.request_id, attempt.number)
            attempt.call.attempts[-1] = Attempted(row_id, attempt.target.public_name)
        if not believable(ending.usage):
            log.error(
                "the provider of %s counted what no answer can have, and a bound is booked: %s",
                attempt.target.public_name,
                ending.usage,
            )
            ending = msgspec.structs.replace(ending, usage=mended(ending.usage, hold.bounds.usage()))
        price = attempt.target.price
        if price is not None and price.image and ending.usage != NOTHING and not ending.cache_hit:
            ending = msgspec.structs.replace(ending, usage=with_images(ending.usage, hold.bounds.images))
        if ending.usage.service_tier and price is not None and not price.is_free:
            ending = self._at_known_tier(ending, price, attempt.target)
        settled = settled_of(
            attempt,
            ending,
            first_mono=hold.first_mono,
            ended_mono=self._clock(),
            ceiling_nano=hold.admission.ceiling_nano,
            response_id=hold.response_id,
        )
        self._sink.settle(settled)
        if settled.error_message:
            attempts = attempt.call.attempts
            attempts[-1] = attempts[-1]._replace(failure=settled.error_message)
        if price is not None:
            attempt.call.reply_headers[COST_HEADER] = dollars_text(settled.cost_nano)
        first_ms = None if hold.first_mono is None else (hold.first_mono - attempt.began_mono) * 1000
        if not ending.cache_hit:
            self._tally.attempt(attempt.target, settled, first_ms)
        is_seen = hold.watched or ending.error is not None
        if is_seen and self._watch.ended(attempt, settled, ending.error, begun=hold.watched):
            self._tally.cooled(attempt.target)
        if hold.admission.taken:
            hold.debt = self._admissions.settle(hold.admission, settled)
            if hold.debt is not None:
                self._tally.hold_exceeded()
        if attempt.target.capacity is not None and self._admissions.leaves_slot(hold.admission):
            self._watch.freed(attempt.target)

    def _at_known_tier(self, ending: Ending, price: Price, target: Target) -> Ending:
        """Counts of a service tier that the price has no rates for are exact, and what they cost is not."""
        usage = ending.usage
        if usage.estimated or price.serves(usage.service_tier):
            return ending
        if len(self._unpriced_tiers) < MAX_UNPRICED_TIERS:
            tier = (target.model_id, usage.service_tier)
            if tier not in self._unpriced_tiers:
                self._unpriced_tiers.add(tier)
                log.warning(
                    "%s was served at the tier %r, and its price has no rates for it: booked at the dearest",
                    target.public_name,
                    usage.service_tier,
                )
        bound = msgspec.structs.replace(usage, estimated=True, input_reported=True)
        return msgspec.structs.replace(ending, usage=bound)

    def stream_began(self, target: Target) -> None:
        """The first event of a stream came."""
        self._watch.stream_began(target)

    def now_mono(self) -> float:
        return self._clock()


class AttemptHold:
    """Implements `functions.ports.models.Hold`. A second ending is a bug and raises RuntimeError."""

    __slots__ = (
        "_ended",
        "_ledger",
        "_opened",
        "admission",
        "attempt",
        "bounds",
        "debt",
        "first_mono",
        "place",
        "response_id",
        "watched",
    )

    def __init__(
        self, attempt: Attempt, admission: Admission, bounds: Bounds, ledger: BookedLedger, *, place: int
    ) -> None:
        self.attempt = attempt
        self.place = place
        """Its number among all attempts of the worker."""
        self.admission = admission
        self.bounds = bounds
        self.first_mono: float | None = None
        self.response_id: str | None = None
        self._ledger = ledger
        self._ended = False
        self._opened: Usage | None = None
        self.watched = False
        self.debt: Debt | None = None

    @property
    def output_limit(self) -> int | None:
        return self.admission.output_limit

    def first_token(self) -> None:
        if self.first_mono is None:
            self.first_mono = self._ledger.now_mono()
            if self.watched:
                self._ledger.stream_began(self.attempt.target)

    def opened(self, usage: Usage) -> None:
        self._opened = usage

    def answered(self, response_id: str | None) -> None:
        self.response_id = response_id

    def settle(self, usage: Usage) -> None:
        self._end(Ending(outcome=Outcome.OK, usage=usage, http_status=200))

    def settle_hit(self, usage: Usage) -> None:
        self._end(Ending(outcome=Outcome.OK, usage=usage, http_status=200, cache_hit=True))

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        opened, bound, target = self._opened, self.bounds.usage, self.attempt.target
        ending = ending_of_failure(error, usage, bound, target)
        if opened is not None and (
            usage is not None or opened.input_reported or ending.outcome is Outcome.UNCERTAIN
        ):
            ending = ending_of_failure(error, opened, bound, target)
        self._end(ending if final else msgspec.structs.replace(ending, final=False))

    def cancel(self, usage: Usage) -> None:
        usage = usage if self._opened is None else self._opened
        self._end(Ending(outcome=Outcome.CANCELLED, usage=usage, http_status=CLIENT_LEFT))

    async def charged(self) -> None:
        if self.debt is not None:
            await self.debt.charged()

    def _end(self, ending: Ending) -> None:
        if self._ended:
            raise RuntimeError(f"the hold of call {self.attempt.call.request_id} was ended twice")
        self._ended = True
        self._ledger.book(self, ending)


@lru_cache(maxsize=4096)
def _deployment_headers(
    names: tuple[str, str, str, str, str], total_s: float, retries: int
) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that name a deployment: its id, public name, address, provider and model."""
    model_id, public_name, api_base, provider, model = names
    texts = (
        (b"x-litellm-model-id", model_id),
        (b"x-litellm-model-name", f"{provider}/{model}"),
        (b"x-litellm-model-group", public_name),
        (b"x-litellm-model-api-base", api_base),
        (b"x-litellm-timeout", str(total_s)),
        (b"x-litellm-max-retries", str(retries)),
    )
    return (*((name, header_value(text).encode()) for name, text in texts), *ONE_ATTEMPT)


def header_value(text: str) -> str:
    """A text that can stand in a header: printable ASCII as it is, anything else percent-encoded."""
    if text.isascii() and text.isprintable():
        return text
    return quote(text.encode("utf-8", "replace"), safe=":/@ ")
