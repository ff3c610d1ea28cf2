"""Ports to what was spent: rows, sums, corrections, stored bodies. Their implementations are in `runtime`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from functions.contract.call import Call
from functions.contract.roles import Scope
from models_registry.bills.lines import Booked
from models_registry.prices.price import Price
from schema.bodies import KeptBody
from schema.call_budgets import BalanceBefore, BudgetOwner
from schema.corrections import Corrected, Correction, CorrectionKind, Made, UncertainQuery
from schema.fields import Page
from schema.latency import TimedCalls, WantedLatency
from schema.ledger.rows import SpendRow
from schema.ledger.sums import Dimension, Lines, Name, Sums, SumsQuery
from schema.log_page import FoundRows, FoundSessions, LogFilter, LogPageQuery, LogPlace
from schema.recosting import RecostRequest
from schema.spend import SpendDay, SpendQuery


class Spend(Protocol):
    """Reads the ledger."""

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        """The rows that the query fits, newest first, within the scope. Raises InvalidRequest for a text that
        is no date."""
        ...

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        """Sums by UTC day, oldest first, of the rows that the query fits. The query's `limit` doesn't
        count."""
        ...


class Bodies(Protocol):
    """Prompts and answers, where they are kept."""

    async def find(self, request_id: str, *, scope: Scope) -> KeptBody | None:
        """The prompt and answer of a call, where they are kept and the ledger has the call within the
        scope."""
        ...


class Prices(Protocol):
    """What the registry says that things cost."""

    def price_of(self, row: SpendRow) -> Price | None:
        """The price that the deployment of a row had at the time of the call. None: it is unknown."""
        ...

    def price_named(self, provider: str, model: str) -> Price | None:
        """The price that a provider's model has now: that of a deployment of it, else the list price."""
        ...


class Corrections(Protocol):
    """Corrections of the ledger, as rows of their own."""

    async def correct(
        self, corrections: Sequence[Correction], *, kind: CorrectionKind, reason: str, call: Call
    ) -> list[Made]:
        """Make those of at most 500 corrections that were not made before: all of them or none. A correction
        of a row that does not exist is left out. Raises InvalidRequest for a correction of a correction."""
        ...

    async def find(self, request_id: str) -> Corrected | None:
        """A row with its corrections."""
        ...

    async def booked(self, start: datetime, end: datetime, *, provider: str | None) -> list[Booked]:
        """What is booked by UTC day and model, of one provider or of all, with the calls whose cost is an
        upper bound. Raises InvalidRequest where that is too much for one report."""
        ...

    async def uncertain(self, query: UncertainQuery, *, scope: Scope) -> list[Corrected]:
        """The rows whose cost is still an upper bound, oldest first, at most `page_size`."""
        ...

    def priced(self, request: RecostRequest) -> AsyncIterator[list[Corrected]]:
        """The rows that have a price, or should have one: oldest first, at most `max_rows`, in batches that
        `correct` takes. Raises InvalidRequest for a text that is no date."""


class Log(Protocol):
    """The ledger's rows within a scope. The `api_key` of a filter is the key's hash here."""

    async def page(self, query: LogPageQuery, *, after: LogPlace | None, scope: Scope) -> FoundRows:
        """The rows on one page, or the rows after a place. Raises InvalidRequest for a text that is no date,
        for a page too far down, and for too many rows to sort."""
        ...

    async def sessions(self, query: LogPageQuery, *, scope: Scope) -> FoundSessions:
        """The sessions on one page. Raises InvalidRequest as `page` does, and for too many rows to group."""
        ...

    def everything(self, query: LogFilter, *, scope: Scope) -> AsyncIterator[SpendRow]:
        """All rows that the query fits, oldest first. They are never all in memory."""
        ...


class Reports(Protocol):
    """Sums by day within a scope, out of the rollups."""

    async def sums(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """The sums of the query. Raises InvalidRequest for a report that is too large."""
        ...

    async def days_of_the_dearest(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """Sums by day of the dearest of each dimension in `query.by`: those that cost the most in the whole
        period."""
        ...

    async def lines(self, query: SumsQuery, *, scope: Scope) -> list[Lines]:
        """Groups, each with its lines by model and key. Raises InvalidRequest where there are too many
        lines."""
        ...

    async def rows(self, query: SumsQuery, *, page: int, size: int, scope: Scope) -> Page[Sums]:
        """The rollup's own rows, the latest day first. `query.by` names what is shown of each row."""
        ...

    async def names(self, kind: Dimension, ids: Collection[str]) -> Mapping[str, Name]:
        """The names of these ids. An id that does not exist has no name."""
        ...


class Balances(Protocol):
    """What was spent of budgets, out of the rollups and the ledger's rows."""

    async def before(
        self, row: SpendRow, budgets: Sequence[tuple[BudgetOwner, datetime | None]]
    ) -> list[BalanceBefore]:
        """For each owner and moment: what the owner's calls cost that began before the row's call, from that
        moment on. None for the moment: from the first call on. The time for all of them is limited."""
        ...


class Timings(Protocol):
    """Percentiles within a scope, out of the histograms."""

    async def timed(self, wanted: WantedLatency, *, scope: Scope) -> list[TimedCalls]:
        """The percentiles of each step and group, oldest first. Raises InvalidRequest for a report that is
        too large."""
        ...


class Counters(Protocol):
    """The counters of what keys and teams have spent of their budgets."""

    async def reset(self, *, call: Call) -> None:
        """Set all counters to zero. The ledger stays as it is."""
        ...
