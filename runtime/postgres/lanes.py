"""The lanes: a worker's connections to Postgres, by what they are for. So no report can take a connection
that a call needs.

`docs/storage.md` says which work is in which lane, and how many connections each lane has.
"""

import enum
from itertools import cycle, islice


class Lane(enum.Enum):
    """What a connection is for."""

    MANAGEMENT = "management"
    """Reads and changes governed rows; writes bodies."""
    AUTH = "auth"
    """Looks up keys and end users."""
    LEASES = "leases"
    """Leases budgets and limits, and says that the worker lives."""
    REPORTS = "reports"
    """Searches the log, sums, exports."""


LISTENING = 1
"""One connection, on which a worker hears announcements."""
LEAST_CONNECTIONS = LISTENING + len(Lane)
DEFAULT_CONNECTIONS = 10
"""How many connections a worker has."""
HOST_CONNECTIONS = 4
"""How many connections a host has beside those of its workers: two of the bookkeeper (rows, alerts), one of
retention, and one of a command. The migrations at a start are over before these are opened."""
LEFT_FREE = 10
"""How many connections of Postgres stay free: for an administrator, a backup, the start of another host."""
_MORE = (Lane.REPORTS, Lane.LEASES, Lane.AUTH, Lane.MANAGEMENT)
"""The lanes that get further connections, in turn, when each lane has one."""


def sizes(connections: int) -> dict[Lane, int]:
    """How many of a worker's connections each lane has."""
    found = dict.fromkeys(Lane, 1)
    for lane in islice(cycle(_MORE), connections - LEAST_CONNECTIONS):
        found[lane] += 1
    return found


def excess(workers: int, connections: int, max_connections: int) -> str | None:
    """Why a host with so many workers needs too many connections of Postgres. None where it does not."""
    wanted = workers * connections + HOST_CONNECTIONS
    if wanted <= max_connections - LEFT_FREE:
        return None
    return (
        f"{workers} workers x {connections} connections (general_settings.database_connection_pool_limit) + "
        f"{HOST_CONNECTIONS} of the host = {wanted}, and Postgres has {max_connections} (max_connections) - "
        f"{LEFT_FREE} that stay free = {max_connections - LEFT_FREE}: start fewer workers, lower the limit "
        "or raise max_connections"
    )
