"""A worker's connections to Postgres, by what they are for: no report can take one that a call needs.

Which work is in which lane, and how many connections each has: `docs/storage.md`.
"""

import enum
from itertools import cycle, islice


class Lane(enum.Enum):
    MANAGEMENT = "management"
    """Reads and changes governed rows; writes bodies."""
    AUTH = "auth"
    """Looks up keys and end users."""
    LEASES = "leases"
    """Leases budgets and limits, and says that the worker lives."""
    REPORTS = "reports"
    """Searches the log, sums, exports."""


LISTENING = 1
"""The connection on which a worker hears announcements."""
LEAST_CONNECTIONS = LISTENING + len(Lane)
DEFAULT_CONNECTIONS = 10
"""How many connections a worker has."""
HOST_CONNECTIONS = 4
"""How many connections a host has beside its workers': the bookkeeper's two (rows, alerts), retention, and a
command. A start's migrations are over before the first of them begins."""
LEFT_FREE = 10
"""Connections that are left free for an administrator, a backup, another host's start."""
_MORE = (Lane.REPORTS, Lane.LEASES, Lane.AUTH, Lane.MANAGEMENT)
"""Who gets the next connection, in turn, once each lane has one."""


def sizes(connections: int) -> dict[Lane, int]:
    """How many of a worker's connections each lane has."""
    found = dict.fromkeys(Lane, 1)
    for lane in islice(cycle(_MORE), connections - LEAST_CONNECTIONS):
        found[lane] += 1
    return found


def excess(workers: int, connections: int, max_connections: int) -> str | None:
    """Why a host with so many workers asks too much of Postgres; None where it does not."""
    wanted = workers * connections + HOST_CONNECTIONS
    if wanted <= max_connections - LEFT_FREE:
        return None
    return (
        f"{workers} workers x {connections} connections (general_settings.database_connection_pool_limit) + "
        f"{HOST_CONNECTIONS} of the host = {wanted}, and Postgres has {max_connections} (max_connections) - "
        f"{LEFT_FREE} that stay free = {max_connections - LEFT_FREE}: start fewer workers, lower the limit "
        "or raise max_connections"
    )
