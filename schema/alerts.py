"""Alerts: what somebody should look at."""

import enum
from datetime import datetime

import msgspec


class AlertKind(enum.Enum):
    """What happened. An alert is known by its kind and its object."""

    HOLD_EXCEEDED = "hold_exceeded"
    """A provider billed more than was held for a call. The object is the deployment."""
    SOFT_BUDGET = "soft_budget"
    """A `soft_budget` was crossed. The object of this and the next three is the budget: `team:platform`,
    `window 1d of team:platform`, `model gpt-4 of key:5f2c`, `gateway`."""
    BUDGET_85 = "budget_85"
    """85 percent of a budget are spent."""
    BUDGET_95 = "budget_95"
    BUDGET_REACHED = "budget_reached"
    BOOKS_BEHIND = "books_behind"
    """Rows wait for Postgres for a minute, and it answers. The object of this and the rest is the host with
    its data directory: `web-1/3f2a9c01`."""
    POSTGRES_AWAY = "postgres_away"
    JOURNAL_FILLING = "journal_filling"
    """Half of what a journal may hold waits for Postgres; at the whole, new calls are refused."""


STATES = frozenset({AlertKind.BOOKS_BEHIND, AlertKind.POSTGRES_AWAY, AlertKind.JOURNAL_FILLING})
"""Kinds that go on until they are over. The others are events."""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `Switchgear_Alert`."""

    id: str
    kind: str
    object: str
    message: str
    """Of the first time."""
    host: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    ended_at: datetime | None = None
    """When it was over. An alert of an event is over a day after its first time, a budget's also when its
    next window has one."""
    told_at: datetime | None = None
    """When the webhook took it."""


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /alerts. Pages count from 1."""

    open_only: bool = False
    """Leave out those that are over."""
    page: int = 1
    page_size: int = 50


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    alerts: list[AlertRecord]
    total: int
    page: int
    page_size: int
    total_pages: int
