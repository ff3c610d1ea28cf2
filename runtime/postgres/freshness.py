"""How long what was read of Postgres is in force, with and without the news of changes."""

from typing import Protocol

HEARD_S = 1.0
"""While announcements were heard this lately, what is cached is in force."""
KNOWN_S = 60.0
"""Even then an entry is read again after so long."""
DEAF_S = 0.5
"""How long an entry is good for while announcements can't be heard."""
STALE_S = 300.0
"""How long a known key goes on while Postgres can't be asked."""


class Announcements(Protocol):
    """The news of changes."""

    @property
    def heard_mono(self) -> float:
        """A moment up to which every announcement has arrived."""
        ...
