"""Corrections of the ledger: requests, answers, and what the store is told. Money is integer nano-USD inside,
exact decimal dollars on the wire."""

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import msgspec

from schema.errors.requests import InvalidRequest
from schema.fields import dollars
from schema.ledger.rows import SpendRow
from schema.money import NANO_PER_USD
from schema.usage import Usage
from schema.wire import Wire

MAX_REASON_CHARS = 500
MAX_PAGE = 1_000


class CorrectionKind(enum.Enum):
    """Where a correction came from. `OVERRULED` says which kind gives way to which."""

    RECOST = "recost"
    """The row's own counts, at other prices."""
    INVOICE = "invoice"
    """The row's share of what a provider billed."""
    MANUAL = "manual"
    """An admin's own correction. No other kind changes the row afterwards."""


OVERRULED: Mapping[CorrectionKind, frozenset[CorrectionKind]] = MappingProxyType(
    {
        CorrectionKind.RECOST: frozenset({CorrectionKind.INVOICE, CorrectionKind.MANUAL}),
        CorrectionKind.INVOICE: frozenset({CorrectionKind.MANUAL}),
        CorrectionKind.MANUAL: frozenset(),
    }
)
"""Kinds of corrections, and the kinds that overrule each: a `recost` leaves a row alone that has an `invoice`
or a `manual` correction."""


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """The price that a cost was worked out with."""

    source: str
    version: str | None
    effective: date | None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a row should have been. `usage` is None where the row's counts stay."""

    request_id: str
    cost_nano: int
    usage: Usage | None = None
    priced: Priced | None = None
    """The new price; None where it is the original's."""


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it stands: the original with all its corrections."""

    original: SpendRow
    cost_nano: int
    """With its corrections."""
    usage: Usage
    """With its corrections."""
    kinds: frozenset[CorrectionKind] = frozenset()
    count: int = 0
    """How many corrections the row has."""

    @property
    def is_open(self) -> bool:
        """Whether the row's cost is an upper bound, and no correction has said yet what the cost really
        was."""
        doubtful = self.original.outcome.value == "uncertain" or self.original.estimated
        return doubtful and not self.kinds & {CorrectionKind.MANUAL, CorrectionKind.INVOICE}


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one correction. `row_id` is None where nothing had to be written."""

    before: Corrected
    cost_nano: int
    row_id: str | None
    overruled: bool = False
    """True where the row was left alone, since it has a correction of a kind that overrules this one."""


class UsageGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call really used: all input and all output. A part that is left out is 0."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def usage(self) -> Usage:
        """The counts as a `Usage`. Raises InvalidRequest for counts that no answer can have."""
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) < 2**31:
                raise InvalidRequest(
                    f"usage.{name}: expected a whole number from 0 to {2**31 - 1}.", param=f"usage.{name}"
                )
        if self.cached_tokens + self.cache_write_tokens > self.prompt_tokens:
            raise InvalidRequest(
                "usage.prompt_tokens: counts all input, the cached and cache-written part included.",
                param="usage.prompt_tokens",
            )
        if self.reasoning_tokens > self.completion_tokens:
            raise InvalidRequest(
                "usage.completion_tokens: counts all output, reasoning included.",
                param="usage.completion_tokens",
            )
        return Usage(**msgspec.structs.asdict(self))


class CorrectRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/correct. `cost` is what the call should have cost in all, in dollars: a number or a text
    with at most nine decimal places. With `usage` alone, the cost is that usage at the price in force when
    the correction is made."""

    request_id: str
    cost: Decimal | None = None
    usage: UsageGiven | None = None
    reason: str


class CorrectionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a correction changed, in dollars. `correction_id` is null where the row had this cost already and
    nothing was written."""

    request_id: str
    correction_id: str | None
    spend_before: Decimal
    spend: Decimal
    difference: Decimal


class UncertainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/uncertain. Dates are UTC, the end included. `after` is the `next` of the page before."""

    start_date: str | None = None
    end_date: str | None = None
    model: str | None = None
    """The public name or the provider's."""
    page_size: int = 100
    after: str | None = None


class UncertainRow(msgspec.Struct, frozen=True, kw_only=True, rename={"started_at": "startTime"}):
    """A row whose cost is an upper bound. `spend` is what is booked now, in dollars."""

    request_id: str
    started_at: datetime
    outcome: str
    estimated: bool
    spend: Decimal
    prompt_tokens: int
    completion_tokens: int
    model_group: str
    model: str
    custom_llm_provider: str
    api_key: str
    key_alias: str | None
    user: str
    team_id: str | None
    error_class: str | None


class UncertainPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page, oldest row first. `next` is null on the last page."""

    data: list[UncertainRow]
    next: str | None


def cursor_after(row: SpendRow) -> str:
    """Where a page of rows in the order of time ended, as text that a client sends back."""
    return f"{row.started_at.astimezone(UTC).replace(tzinfo=None).isoformat()}~{row.request_id}"


def cost_in_nano(cost: Decimal, *, param: str) -> int:
    """A sum of dollars in nano-USD, exactly. Raises InvalidRequest."""
    return int(dollars(cost, param=param) * NANO_PER_USD)


def checked_reason(reason: str) -> str:
    """The reason without blanks around it. Raises InvalidRequest for an empty or too long one, and for
    control characters."""
    said = reason.strip()
    if not 0 < len(said) <= MAX_REASON_CHARS or any(ord(char) < 32 for char in said):
        raise InvalidRequest(
            f"reason: say why, in 1 to {MAX_REASON_CHARS} characters without control characters.",
            param="reason",
        )
    return said
