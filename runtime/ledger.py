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

from functions.context import Call
from models_registry.target import Target
from runtime.spend_row import (
    CLIENT_LEFT,
    Attempt,
    Ending,
    attempt_row,
    believable,
    dollars_text,
    ending_of_failure,
    refusal_row,
    storable,
)
from schema.errors import Overloaded
from schema.spend import Outcome, SpendRow
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


class BookedLedger:
    """Implements `functions.context.Ledger`. `clock` is the monotonic one of `Call.received_mono`."""

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._unbooked = 0

    def hold(
        self, call: Call, target: Target, *, streamed: bool, bound: Callable[[], Usage]
    ) -> "AttemptHold":
        """Open an attempt. Raises Overloaded while the ledger can take no more."""
        if self._sink.full:
            raise Overloaded(
                "The spend ledger is full: the database has been away too long.", retry_after_s=5
            )
        headers = call.reply_headers
        headers[MODEL_ID_HEADER] = header_value(target.model_id)
        headers[MODEL_GROUP_HEADER] = header_value(target.public_name)
        headers[API_BASE_HEADER] = header_value(target.api_base)
        began = self._clock()
        attempt = Attempt(call=call, target=target, streamed=streamed, began_mono=began)
        call.attempts.append(call.request_id)
        return AttemptHold(attempt, bound, self._sink, self._clock)

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


class AttemptHold:
    """Implements `functions.context.Hold`. A second ending is a bug and raises RuntimeError."""

    __slots__ = ("_attempt", "_bound", "_clock", "_first_mono", "_sink")

    def __init__(
        self, attempt: Attempt, bound: Callable[[], Usage], sink: Sink, clock: Callable[[], float]
    ) -> None:
        self._attempt = attempt
        self._bound: Callable[[], Usage] | None = bound
        self._sink = sink
        self._clock = clock
        self._first_mono: float | None = None

    def first_token(self) -> None:
        if self._first_mono is None:
            self._first_mono = self._clock()

    def settle(self, usage: Usage) -> None:
        self._book(Ending(outcome=Outcome.OK, usage=usage, http_status=200), self._ended())

    def fail(self, error: Exception, usage: Usage | None = None) -> None:
        bound = self._ended()
        self._book(ending_of_failure(error, usage, bound), bound)

    def cancel(self, usage: Usage) -> None:
        ending = Ending(outcome=Outcome.CANCELLED, usage=usage, http_status=CLIENT_LEFT)
        self._book(ending, self._ended())

    def _ended(self) -> Callable[[], Usage]:
        """End the hold, once. Gives the bound, which only an ending may ask for."""
        bound, self._bound = self._bound, None
        if bound is None:
            raise RuntimeError(f"the hold of call {self._attempt.call.request_id} was ended twice")
        return bound

    def _book(self, ending: Ending, bound: Callable[[], Usage]) -> None:
        if not believable(ending.usage):
            ending = msgspec.structs.replace(ending, usage=storable(bound()))
        row = attempt_row(self._attempt, ending, first_mono=self._first_mono, ended_mono=self._clock())
        if row.price_source is not None:
            self._attempt.call.reply_headers[COST_HEADER] = dollars_text(row.cost_nano)
        self._sink.put(row)


def header_value(text: str) -> str:
    """A text that can stand in a header: printable ASCII as it is, anything else percent-encoded."""
    if text.isascii() and text.isprintable():
        return text
    return quote(text.encode("utf-8", "replace"), safe=":/@ ")
