"""What the log has of each request."""

from datetime import datetime

import msgspec


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The log line of a request: structlog's shape, at a fraction of its cost."""

    event: str = "request"
    level: str
    timestamp: datetime
    function: str
    status: int
    ms: float
    request_id: str | None
    key: str | None
    failures: list[str] | msgspec.UnsetType = msgspec.UNSET
    """What each attempt that failed has in its row: our message, and the provider's own words."""
