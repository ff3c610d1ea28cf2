"""Ports to what was spent: rows, sums, corrections, stored bodies. Implementations are in `runtime`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from functions.contract.call import Call
from functions.contract.roles import Scope
from models_registry.bills.lines import Booked
from models_registry.prices.price import Price
from schema.bodies import Body
from schema.corrections import Corrected, Correction, Kind, Made, UncertainQuery
from schema.fields import Page
from schema.ledger.rows import SpendRow
from schema.ledger.sums import Dimension, Lines, Name, Sums, SumsQuery
from schema.log_page import FoundRows, LogFilter, LogPageQuery, Place
from schema.recosting import RecostRequest
from schema.spend import SpendDay, SpendQuery


class Spend(Protocol):
    """Reads of the ledger."""

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        """Newest first, within the scope. Raises InvalidRequest for a date that is none."""
        ...

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        """Sums by UTC day, oldest first, of the rows the query fits (its `limit` apart)."""
        ...


class Bodies(Protocol):
    """Prompts and answers, where they are kept."""

    async def find(self, request_id: str, *, scope: Scope) -> Body | None:
        """Of a call that is in the ledger, within the scope."""
        ...


class Prices(Protocol):
    """What the registry says that things cost."""

    def price_of(self, row: SpendRow) -> Price | None:
        """The price, as it is now, of the deployment that a row is of; None where it is unknown."""
        ...

    def price_named(self, provider: str, model: str) -> Price | None:
        """The price, as it is now, of a provider's model that some deployment has, else its list price."""
        ...


class Corrections(Protocol):
    """Corrections of the ledger, as rows of their own."""

    async def correct(
        self, corrections: Sequence[Correction], *, kind: Kind, reason: str, call: Call
    ) -> list[Made]:
        """Make what is missing of at most 500, all or none; rows that are not there are left out. Raises
        InvalidRequest for one that is itself a correction."""
        ...

    async def find(self, request_id: str) -> Corrected | None:
        """A row as it stands, with its corrections."""
        ...

    async def booked(self, start: datetime, end: datetime, *, provider: str | None) -> list[Booked]:
        """What stands in the ledger by UTC day and model of a provider, with the calls whose cost is an upper
        bound. Raises InvalidRequest where it is too much for one report."""
        ...

    async def uncertain(self, query: UncertainQuery, *, scope: Scope) -> list[Corrected]:
        """The rows whose cost is still an upper bound, oldest first, at most `page_size`."""
        ...

    def priced(self, request: RecostRequest) -> AsyncIterator[list[Corrected]]:
        """The rows that a price was, or should have been, put on: oldest first, in batches that `correct`
        takes, at most `max_rows`. Raises InvalidRequest for a date that is none."""


class Log(Protocol):
    """The ledger's rows. Everything stays inside the scope; a filter's `api_key` is a hash here."""

    async def page(self, query: LogPageQuery, *, after: Place | None, scope: Scope) -> FoundRows:
        """Those on one page, or those after a place. Raises InvalidRequest for a date that is none, a page
        too far down, or too many rows to sort."""
        ...

    def everything(self, query: LogFilter, *, scope: Scope) -> AsyncIterator[SpendRow]:
        """All that the query fits, oldest first, without holding it in memory."""
        ...


class Reports(Protocol):
    """Sums by day, out of the rollups. Everything stays inside the scope."""

    async def sums(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """Raises InvalidRequest for a report that is too large."""
        ...

    async def days_of_the_dearest(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """By day, of those of each of `query.by` that cost the most in the whole period."""
        ...

    async def lines(self, query: SumsQuery, *, scope: Scope) -> list[Lines]:
        """Groups, each with its lines by model and key. Raises InvalidRequest for too many lines."""
        ...

    async def rows(self, query: SumsQuery, *, page: int, size: int, scope: Scope) -> Page[Sums]:
        """The rollup's own rows, the latest day first; `query.by` is what is shown of each."""
        ...

    async def names(self, kind: Dimension, ids: Collection[str]) -> Mapping[str, Name]:
        """What these are called; who is not there has no name."""
        ...


class Counters(Protocol):
    """What keys and teams have spent of their budgets."""

    async def reset(self, *, call: Call) -> None:
        """Set all of them to zero. The ledger is not touched."""
        ...
