"""How many of a worker's connections each lane gets, and whether Postgres has as many."""

import asyncio

import asyncpg
import pytest

from runtime.postgres.database import Database
from runtime.postgres.databases import Databases
from runtime.postgres.lanes import DEFAULT_CONNECTIONS, LEAST_CONNECTIONS, LISTENING, Lane, excess, sizes
from runtime.serving.serve import settings_of
from runtime.settings import SettingsError
from schema.errors.overload import DatabaseUnavailable
from schema.secret import Secret
from schema.tables.teams import Team


@pytest.mark.parametrize("connections", range(LEAST_CONNECTIONS, 40))
def test_every_lane_has_some_and_together_they_are_what_was_allowed(connections: int) -> None:
    found = sizes(connections)
    assert min(found.values()) >= 1
    assert sum(found.values()) + LISTENING == connections
    assert max(found.values()) - min(found.values()) <= 1


def test_a_worker_has_ten_and_two_searches_of_one_caller_leave_reports_one() -> None:
    assert DEFAULT_CONNECTIONS == 10
    assert sizes(10) == {Lane.MANAGEMENT: 2, Lane.AUTH: 2, Lane.LEASES: 2, Lane.REPORTS: 3}


def test_more_workers_than_postgres_has_connections_for_are_refused_with_the_sum() -> None:
    assert excess(8, 10, 94) is None
    said = excess(8, 10, 93)
    assert said is not None
    assert "8 workers x 10 connections" in said
    assert "+ 4 of the host = 84" in said
    assert "93 (max_connections) - 10 that stay free = 83" in said


def test_the_peers_pool_limit_is_a_workers(tmp_path: object) -> None:
    env = {"SWITCHGEAR_DATA": str(tmp_path), "SWITCHGEAR_MASTER_KEY": "sk-0123456789abcdef"}

    def connections(limit: int) -> int:
        given = {"general_settings": {"database_connection_pool_limit": limit}}
        return settings_of(given, env)[0].connections

    assert connections(25) == 25
    with pytest.raises(SettingsError, match="database_connection_pool_limit: expected at least 5"):
        connections(4)


def test_a_lane_that_is_all_taken_keeps_no_other_waiting(postgres_dsn: str) -> None:
    async def run() -> None:
        databases = await Databases.connect(Secret(postgres_dsn), DEFAULT_CONNECTIONS)
        try:
            held = [await databases.reports.pool.acquire() for _ in range(3)]
            held += [await databases.management.pool.acquire() for _ in range(2)]
            async with asyncio.timeout(2):
                for database in (databases.auth, databases.leases):
                    async with database.connection() as connection:
                        assert await connection.fetchval("SELECT 1") == 1
                    with database.asking():
                        assert await Team.select() == []
            with pytest.raises(DatabaseUnavailable), databases.reports.asking():
                await Team.select()
            for connection in held:
                await connection.close()
        finally:
            await databases.close()

    asyncio.run(run())


@pytest.mark.parametrize("ends", ["a query that is cut", "a rollback that is cut"])
def test_a_transaction_that_postgres_cuts_gives_its_connection_back(postgres_dsn: str, ends: str) -> None:
    async def run() -> None:
        database = await Database.connect(postgres_dsn, size=2)
        try:
            for _ in range(5):
                with pytest.raises((DatabaseUnavailable, ArithmeticError)):
                    await broken(database, postgres_dsn, asks=ends == "a query that is cut")
            async with asyncio.timeout(3), database.transaction():
                assert await Team.select() == []
        finally:
            await database.close()

    asyncio.run(run())


async def broken(database: Database, dsn: str, *, asks: bool) -> None:
    async with asyncio.timeout(3), database.transaction():
        transaction = database.engine.current_transaction.get()
        assert transaction is not None
        await cut(dsn, await transaction.connection.fetchval("SELECT pg_backend_pid()"))
        if asks:
            await Team.select()
        raise ArithmeticError


async def cut(dsn: str, pid: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_terminate_backend($1, 1000)", pid)
    finally:
        await connection.close()
