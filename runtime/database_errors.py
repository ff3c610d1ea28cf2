"""What Postgres and its driver raise, as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from schema.errors import DatabaseUnavailable, InvalidRequest, Overloaded

REACHING_ERRORS = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""What asyncpg raises where Postgres is away, restarting, full, slow, or won't have us."""


@contextmanager
def reaching() -> Iterator[None]:
    """Around queries: turns trouble with the connection into DatabaseUnavailable."""
    try:
        yield
    except REACHING_ERRORS as exc:
        if isinstance(exc, ValueError):
            raise  # asyncpg's InterfaceError for an argument that doesn't fit its column
        raise DatabaseUnavailable("The database can't be reached; try again shortly.") from exc


@contextmanager
def asking() -> Iterator[None]:
    """Around queries with a caller's values: `reaching`, and InvalidRequest for a value that no
    column can hold (a NUL, a number out of range)."""
    try:
        with reaching():
            yield
    except asyncpg.TransactionRollbackError as exc:  # a deadlock: nothing was changed
        raise Overloaded("Somebody else is changing the same; try again.", retry_after_s=1) from exc
    except (asyncpg.DataError, asyncpg.InterfaceError) as exc:  # of the latter, those reaching() lets pass
        raise InvalidRequest("A value holds a character or number that the database can't store.") from exc
