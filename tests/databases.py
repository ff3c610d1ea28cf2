"""Databases for tests. They are emptied and used again, since making one takes 0.3 s and emptying it some
milliseconds."""

import asyncio
import uuid
from contextlib import suppress

import asyncpg

_SHAPE = """
    SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
        SELECT format('%s %s %s %s', relkind, relname, relpersistence, reloptions) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
        UNION ALL
        SELECT format('%s.%s %s %s %s', attrelid::regclass, attname, atttypid, attnotnull, atthasdef)
            FROM pg_attribute JOIN pg_class ON oid = attrelid
            WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND attnum > 0
        UNION ALL
        SELECT format('%s %s', oid::regprocedure, md5(prosrc)) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('%s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal AND NOT relispartition
        UNION ALL
        SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(pg_constraint.oid)) FROM pg_constraint
            JOIN pg_class ON pg_class.oid = conrelid
            WHERE connamespace = 'public'::regnamespace AND NOT relispartition
        UNION ALL
        SELECT format('setting %s', setconfig) FROM pg_db_role_setting
            WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS lines (line)
"""
"""The query for what a database has: tables, columns, functions, triggers, constraints and settings, without
partitions."""
_PARTITIONS = """
    SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relispartition AND relkind = 'r' ORDER BY 1
"""
_EMPTY = """
    DO $$
    DECLARE
        name text;
        filled boolean;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN SELECT quote_ident(relname) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'migration'
        LOOP
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO filled;
            IF filled THEN
                EXECUTE 'DELETE FROM ' || name;
            END IF;
        END LOOP;
        FOR name IN SELECT quote_ident(sequencename) FROM pg_sequences
            WHERE schemaname = 'public' AND last_value IS NOT NULL
        LOOP
            EXECUTE 'ALTER SEQUENCE ' || name || ' RESTART';
        END LOOP;
    END $$
"""
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def dsn_of(server_dsn: str, database: str) -> str:
    return server_dsn.replace("@/postgres?", f"@/{database}?")


class Databases:
    """Copies of a template database. A copy that a test gives back is emptied. It is dropped if the test has
    changed more than rows and partitions."""

    def __init__(self, server_dsn: str, template: str) -> None:
        self._server_dsn = server_dsn
        self._template = template
        self._free: list[str] = []
        self._shape, self._partitions = asyncio.run(self._looks(template))

    def take(self) -> str:
        """The name of an empty database."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex}"
        asyncio.run(self._execute("postgres", f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        return name

    def give_back(self, name: str) -> None:
        if asyncio.run(self._emptied(name)):
            self._free.append(name)
        else:
            asyncio.run(self._execute("postgres", f"DROP DATABASE {name} WITH (FORCE)"))

    async def _execute(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(dsn_of(self._server_dsn, database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _looks(self, database: str) -> tuple[str, list[str]]:
        connection = await asyncpg.connect(dsn_of(self._server_dsn, database))
        try:
            return await _looks_of(connection)
        finally:
            await connection.close()

    async def _emptied(self, name: str) -> bool:
        with suppress(asyncpg.PostgresError, OSError):
            connection = await asyncpg.connect(dsn_of(self._server_dsn, name))
            try:
                await connection.execute(_END_OTHERS)
                shape, partitions = await _looks_of(connection)
                if shape != self._shape or not set(self._partitions) <= set(partitions):
                    return False
                more = ", ".join(f'"{each}"' for each in partitions if each not in self._partitions)
                if more:
                    await connection.execute(f"DROP TABLE {more}")
                await connection.execute(_EMPTY)
            finally:
                await connection.close()
            return True
        return False


async def _looks_of(connection: asyncpg.Connection) -> tuple[str, list[str]]:
    partitions = [row["relname"] for row in await connection.fetch(_PARTITIONS)]
    return str(await connection.fetchval(_SHAPE)), partitions
