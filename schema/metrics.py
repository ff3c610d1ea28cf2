"""Metrics for Prometheus."""

import msgspec


class MetricsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /metrics takes nothing."""
