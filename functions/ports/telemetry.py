"""Ports to what the gateway tells about itself. Their implementations are in `runtime/telemetry`."""

from collections.abc import Sequence
from typing import Protocol

from functions.contract.function import TextReply
from schema.alerts import AlertRecord


class MetricsText(Protocol):
    """The counts of all workers."""

    async def text(self) -> TextReply:
        """The counts in Prometheus' text format."""
        ...


class Alerts(Protocol):
    """The alerts: what somebody should look at."""

    async def page(self, *, open_only: bool, offset: int, limit: int) -> tuple[Sequence[AlertRecord], int]:
        """A page of alerts, newest first, and how many there are in all. Raises DatabaseUnavailable."""
        ...
