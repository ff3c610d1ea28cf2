"""Turns errors of Postgres and its driver into errors of this gateway."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from schema.errors.overload import DatabaseUnavailable, Overloaded
from schema.errors.requests import InvalidRequest

REACHING_ERRORS = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""What asyncpg raises where Postgres is away, restarts, has no free connection, is slow, or refuses the
login."""
AWAY_ERRORS = (
    *REACHING_ERRORS,
    asyncpg.ReadOnlySQLTransactionError,  # after a fail-over the server is a standby
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database accepts no connections
    asyncpg.InsufficientPrivilegeError,  # our role lacks a right that every worker needs
    asyncpg.PostgresSystemError,
    asyncpg.ConfigFileError,
    asyncpg.InternalServerError,  # a pooler in front of Postgres answers with it
)
"""REACHING_ERRORS, and the errors with which Postgres answers where it can't do what every worker needs."""
UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
"""Errors of Postgres or its driver for a row that can't be stored, however often it is tried."""
RETRY_S = 2.0


def is_away(exc: BaseException) -> bool:
    """Whether an error means that Postgres can't be used, and not that the query was bad."""
    if isinstance(exc, ValueError | asyncpg.LockNotAvailableError):
        return False  # a ValueError is asyncpg's InterfaceError for an argument that doesn't fit its column
    return isinstance(exc, AWAY_ERRORS)


@contextmanager
def reaching() -> Iterator[None]:
    """Stands around queries. It turns errors that mean that Postgres can't be used into
    DatabaseUnavailable."""
    try:
        yield
    except AWAY_ERRORS as exc:
        if not is_away(exc):
            raise
        raise DatabaseUnavailable(_told(exc), retry_after_s=RETRY_S) from exc


def _told(exc: BaseException) -> str:
    """The message for a client. It has the SQLSTATE, where there is one, so that a reader can look the state
    up."""
    state = getattr(exc, "sqlstate", None)
    if state is None:
        return "The database can't be reached; try again shortly."
    return f"The database can't be used (its SQLSTATE is {state}); try again shortly."


@contextmanager
def asking() -> Iterator[None]:
    """Stands around queries with a caller's values. It does what `reaching` does. A value that no column can
    hold (a NUL, a number out of range) becomes InvalidRequest. A deadlock, and a lock that is not free in
    time, become Overloaded."""
    try:
        with reaching():
            yield
    except asyncpg.TransactionRollbackError as exc:  # such as a deadlock; nothing was changed
        raise Overloaded("Somebody else is changing the same; try again.", retry_after_s=1) from exc
    except asyncpg.LockNotAvailableError as exc:
        raise Overloaded("Somebody else holds the same rows for long; try again.", retry_after_s=1) from exc
    except (asyncpg.DataError, asyncpg.InterfaceError) as exc:  # `reaching` lets some InterfaceErrors pass
        raise InvalidRequest("A value holds a character or number that the database can't store.") from exc
