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
AWAY_ERRORS = (
    *REACHING_ERRORS,
    asyncpg.ReadOnlySQLTransactionError,  # after a fail-over it is a standby
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # it takes no connections
    asyncpg.InsufficientPrivilegeError,  # our role may not do what every worker does
    asyncpg.PostgresSystemError,
    asyncpg.ConfigFileError,
    asyncpg.InternalServerError,  # poolers in front of Postgres answer with it
)
"""And where it answers, but can't do what every caller asks of it."""
UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
"""What Postgres or its driver says to a row that no retry can save."""
RETRY_S = 2.0


def is_away(exc: BaseException) -> bool:
    """Is it trouble with Postgres itself, and none with what was asked?"""
    if isinstance(exc, ValueError | asyncpg.LockNotAvailableError):
        return False  # the first is asyncpg's InterfaceError for an argument that doesn't fit its column
    return isinstance(exc, AWAY_ERRORS)


@contextmanager
def reaching() -> Iterator[None]:
    """Around queries: turns trouble with the connection into DatabaseUnavailable."""
    try:
        yield
    except AWAY_ERRORS as exc:
        if not is_away(exc):
            raise
        raise DatabaseUnavailable(_told(exc), retry_after_s=RETRY_S) from exc


def _told(exc: BaseException) -> str:
    """Who reads the answer can look the state up."""
    state = getattr(exc, "sqlstate", None)
    if state is None:
        return "The database can't be reached; try again shortly."
    return f"The database can't be used (its SQLSTATE is {state}); try again shortly."


@contextmanager
def asking() -> Iterator[None]:
    """Around queries with a caller's values: `reaching`, and InvalidRequest for a value that no
    column can hold (a NUL, a number out of range)."""
    try:
        with reaching():
            yield
    except asyncpg.TransactionRollbackError as exc:  # a deadlock: nothing was changed
        raise Overloaded("Somebody else is changing the same; try again.", retry_after_s=1) from exc
    except asyncpg.LockNotAvailableError as exc:
        raise Overloaded("Somebody else holds the same rows for long; try again.", retry_after_s=1) from exc
    except (asyncpg.DataError, asyncpg.InterfaceError) as exc:  # InterfaceErrors that reaching() lets pass
        raise InvalidRequest("A value holds a character or number that the database can't store.") from exc
