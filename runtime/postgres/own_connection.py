"""A connection beside the pools, for a task that runs as long as its process."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import asyncpg

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class OwnConnection:
    """One connection, opened where it is first asked for, and again after it was lost. `name` is what
    Postgres knows the task as, and `settings` are settings of Postgres for it."""

    def __init__(
        self, dsn: str, name: str, *, statement_timeout_s: float, settings: Mapping[str, str] = NO_SETTINGS
    ) -> None:
        self._dsn = dsn
        self._command_timeout_s = statement_timeout_s + 1
        self._settings = {
            "application_name": name,
            "timezone": "UTC",
            "statement_timeout": f"{statement_timeout_s:.0f}s",
            **settings,
        }
        self._connection: asyncpg.Connection | None = None

    async def opened(self) -> asyncpg.Connection:
        """The connection. Raises what asyncpg raises where it can't be opened."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=self._command_timeout_s,
                server_settings=self._settings,
            )
        return self._connection

    async def close(self) -> None:
        """Close the connection, if it is open. The next `opened` opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # nobody uses the connection any more, so an error does not matter
                await connection.close(timeout=CLOSE_TIMEOUT_S)
