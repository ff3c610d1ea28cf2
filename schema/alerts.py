"""Alerts: what somebody should look at."""

import enum
from datetime import datetime

import msgspec


class AlertKind(enum.Enum):
    """What happened. An alert is known by its kind and its object."""

    HOLD_EXCEEDED = "hold_exceeded"
    """A provider billed more than was held for a call. The object is the deployment."""
    SOFT_BUDGET = "soft_budget"
    """A `soft_budget` was crossed. The object of the four alerts of budgets is the budget: `team:platform`,
    `window 1d of team:platform`, `model gpt-4 of key:5f2c`, `gateway`."""
    BUDGET_85 = "budget_85"
    """85 percent of a budget is spent."""
    BUDGET_95 = "budget_95"
    BUDGET_REACHED = "budget_reached"
    BOOKS_BEHIND = "books_behind"
    """Postgres answers, and rows have waited for it for a minute. The object of this alert and of those below
    is the host with its data directory: `web-1/3f2a9c01`."""
    POSTGRES_AWAY = "postgres_away"
    JOURNAL_FILLING = "journal_filling"
    """A journal is half full of rows that wait for Postgres. When it is full, new calls are refused."""


STATES = frozenset({AlertKind.BOOKS_BEHIND, AlertKind.POSTGRES_AWAY, AlertKind.JOURNAL_FILLING})
"""Kinds that describe a state, which lasts until it is over. The other kinds are events."""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `Switchgear_Alert`."""

    id: str
    kind: str
    object: str
    message: str
    """The message of the first time."""
    host: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    ended_at: datetime | None = None
    """When the alert was over. An alert of an event is over a day after its first time. A budget's alert is
    over too when the budget's next window raises one."""
    told_at: datetime | None = None
    """When the webhook took the alert."""


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /alerts. Pages count from 1."""

    open_only: bool = False
    """Leave out the alerts that are over."""
    page: int = 1
    page_size: int = 50


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    alerts: list[AlertRecord]
    total: int
    page: int
    page_size: int
    total_pages: int
