"""Ports of what the gateway tells of itself. Implementations are in `runtime/telemetry`."""

from collections.abc import Sequence
from typing import Protocol

from functions.contract.function import Text
from schema.alerts import AlertRecord


class Metrics(Protocol):
    """What all workers have counted."""

    async def text(self) -> Text:
        """In Prometheus' text format."""
        ...


class Alerts(Protocol):
    """What somebody should look at."""

    async def page(self, *, open_only: bool, offset: int, limit: int) -> tuple[Sequence[AlertRecord], int]:
        """Newest first, and how many there are in all. Raises DatabaseUnavailable."""
        ...
