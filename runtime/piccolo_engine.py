"""Piccolo's engine, without the connection that Piccolo makes when one is constructed."""

from piccolo.engine.postgres import PostgresEngine


class QuietEngine(PostgresEngine):
    """Neither asks the server's version nor creates extensions: constructing it does no IO."""

    async def check_version(self) -> None:
        return None

    async def prep_database(self) -> None:
        return None
