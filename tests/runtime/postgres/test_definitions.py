"""`schema/tables/sql/` holds what a migrated database has."""

import asyncio

import asyncpg

from runtime.commands.schema_files import FOLDER, differences
from runtime.postgres.definitions import definitions
from tests.conftest import execute


def defined(dsn: str) -> dict[str, str]:
    async def run() -> dict[str, str]:
        connection = await asyncpg.connect(dsn)
        try:
            return await definitions(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_the_sql_files_are_what_a_migrated_database_has(postgres_dsn: str) -> None:
    texts = defined(postgres_dsn)
    kinds = {path.partition("/")[0] for path in texts}
    assert kinds == {"functions", "views", "triggers"}
    assert list(differences(FOLDER, texts).values()) == []


def test_functions_of_one_name_stand_in_one_file_and_triggers_of_one_name_in_several(empty_dsn: str) -> None:
    execute(
        empty_dsn,
        "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION twice(a text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE one (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE one_first PARTITION OF one FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE two (a int)",
        "CREATE TRIGGER seen AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION noticed()",
        "CREATE TRIGGER seen AFTER INSERT ON two FOR EACH ROW EXECUTE FUNCTION noticed()",
        "CREATE MATERIALIZED VIEW kept AS SELECT a FROM two",
    )
    texts = defined(empty_dsn)
    assert list(texts) == [
        "functions/noticed.sql",
        "functions/twice.sql",
        "triggers/one.seen.sql",
        "triggers/two.seen.sql",
        "views/kept.sql",
    ]
    assert texts["functions/twice.sql"].count("CREATE OR REPLACE FUNCTION") == 2
    assert texts["views/kept.sql"] == "CREATE MATERIALIZED VIEW kept AS\n SELECT a\n   FROM two;\n"
