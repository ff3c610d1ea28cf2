"""How long a value that was read from Postgres is in force, with and without announcements of changes."""

from typing import Protocol

HEARD_S = 1.0
"""Cached values are in force while the last sign that announcements arrive is no older than this."""
KNOWN_S = 60.0
"""After so long a cached value is read again, also while announcements arrive."""
DEAF_S = 0.5
"""How long a cached value is in force while announcements do not arrive."""
STALE_S = 300.0
"""How long a known key works on while Postgres can't be asked."""


class Announcements(Protocol):
    """Says up to when all announcements of changes have arrived."""

    @property
    def heard_mono(self) -> float:
        """The moment, by the monotonic clock, up to which every announcement has certainly arrived."""
        ...
