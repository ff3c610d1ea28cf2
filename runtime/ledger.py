"""The ledger port: a hold an upstream attempt, and one row when it ends, whichever way.

Nothing here waits. A finished row goes to a sink (`runtime/ledger_writer.py`); where the sink is
full, new calls are refused, since what can't be booked may not be spent.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

import msgspec

from functions.context import Bounds, Call
from models_registry.target import Target
from runtime.admission import Admission
from runtime.spend_row import (
    CLIENT_LEFT,
    NOTHING,
    Attempt,
    Ending,
    attempt_row,
    believable,
    dollars_text,
    ending_of_failure,
    refusal_row,
    storable,
    with_images,
)
from schema.errors import Overloaded
from schema.spend import Charge, Outcome, SpendRow
from schema.usage import Usage

COST_HEADER = "x-litellm-response-cost"
MODEL_ID_HEADER = "x-litellm-model-id"
MODEL_GROUP_HEADER = "x-litellm-model-group"
API_BASE_HEADER = "x-litellm-model-api-base"

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where finished rows go."""

    @property
    def full(self) -> bool:
        """True while no more work should be begun."""
        ...

    def put(self, row: SpendRow) -> None:
        """Take a row of an attempt that was begun; never refuses."""
        ...


class Admitting(Protocol):
    """Who lets attempts in, under budgets and limits."""

    async def admit(self, call: Call, target: Target, bounds: Bounds, customer: str | None) -> Admission: ...

    def settle(self, admission: Admission, row: SpendRow) -> tuple[Charge, ...]:
        """An attempt is over and its row says what it cost."""
        ...


class BookedLedger:
    """Implements `functions.context.Ledger`. `clock` is the monotonic one of `Call.received_mono`."""

    def __init__(
        self, sink: Sink, admissions: Admitting, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink = sink
        self._admissions = admissions
        self._clock = clock
        self._unbooked = 0

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> "AttemptHold":
        """Let an attempt in. Raises Overloaded while the ledger can take no more, and what
        `functions.context.Ledger.hold` does."""
        if self._sink.full:
            raise Overloaded(
                "The spend ledger is full: the database has been away too long.", retry_after_s=5
            )
        headers = call.reply_headers
        headers[MODEL_ID_HEADER] = header_value(target.model_id)
        headers[MODEL_GROUP_HEADER] = header_value(target.public_name)
        headers[API_BASE_HEADER] = header_value(target.api_base)
        admission = await self._admissions.admit(call, target, bounds, customer)
        attempt = Attempt(
            call=call, target=target, streamed=streamed, began_mono=self._clock(), customer=customer
        )
        call.attempts.append(call.request_id)
        return AttemptHold(attempt, admission, bounds, self)

    def refuse(self, call: Call, error: Exception, *, model: str) -> None:
        """Book an authenticated call that failed before it had a hold; a call with one is booked
        by the hold, and this does nothing. While the ledger is full the row is lost, and logged."""
        if call.attempts:
            return
        if self._sink.full:
            self._unbooked += 1
            log.error("spend ledger full: %d refusals have no row", self._unbooked)
            return
        row = refusal_row(call, error, model=model, ended_mono=self._clock())
        self._sink.put(row)

    def book(self, hold: "AttemptHold", ending: Ending) -> None:
        """Put an ended attempt's row to the sink, and give back what it held and did not use."""
        attempt = hold.attempt
        if not believable(ending.usage):
            ending = msgspec.structs.replace(ending, usage=storable(hold.bounds.usage()))
        price = attempt.target.price
        if price is not None and price.image and ending.usage != NOTHING:
            ending = msgspec.structs.replace(ending, usage=with_images(ending.usage, hold.bounds.images))
        row = attempt_row(attempt, ending, first_mono=hold.first_mono, ended_mono=self._clock())
        if row.price_source is not None:
            attempt.call.reply_headers[COST_HEADER] = dollars_text(row.cost_nano)
        if hold.admission.taken:
            charges = self._admissions.settle(hold.admission, row)
            row = msgspec.structs.replace(row, charges=charges)
        self._sink.put(row)

    def now_mono(self) -> float:
        return self._clock()


class AttemptHold:
    """Implements `functions.context.Hold`. A second ending is a bug and raises RuntimeError."""

    __slots__ = ("_ended", "_ledger", "admission", "attempt", "bounds", "first_mono")

    def __init__(self, attempt: Attempt, admission: Admission, bounds: Bounds, ledger: BookedLedger) -> None:
        self.attempt = attempt
        self.admission = admission
        self.bounds = bounds
        self.first_mono: float | None = None
        self._ledger = ledger
        self._ended = False

    @property
    def output_limit(self) -> int | None:
        return self.admission.output_limit

    def first_token(self) -> None:
        if self.first_mono is None:
            self.first_mono = self._ledger.now_mono()

    def settle(self, usage: Usage) -> None:
        self._end(Ending(outcome=Outcome.OK, usage=usage, http_status=200))

    def fail(self, error: Exception, usage: Usage | None = None) -> None:
        self._end(ending_of_failure(error, usage, self.bounds.usage))

    def cancel(self, usage: Usage) -> None:
        self._end(Ending(outcome=Outcome.CANCELLED, usage=usage, http_status=CLIENT_LEFT))

    def _end(self, ending: Ending) -> None:
        if self._ended:
            raise RuntimeError(f"the hold of call {self.attempt.call.request_id} was ended twice")
        self._ended = True
        self._ledger.book(self, ending)


def header_value(text: str) -> str:
    """A text that can stand in a header: printable ASCII as it is, anything else percent-encoded."""
    if text.isascii() and text.isprintable():
        return text
    return quote(text.encode("utf-8", "replace"), safe=":/@ ")
