"""The text that Postgres has of each function, view and trigger, as files of `schema/tables/sql/`.

`just schema` writes the files (`runtime/commands/schema_files.py`). A server does not import this module.
"""

import asyncpg

_DEFINITIONS = """
    WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    SELECT 'functions/' || p.proname || '.sql' AS path, p.oid::regprocedure::text AS name,
           pg_get_functiondef(p.oid) AS text
    FROM pg_proc p
    WHERE p.pronamespace IN (SELECT oid FROM ours) AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'views/' || c.relname || '.sql', c.relname,
           format('CREATE %sVIEW %I AS', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' END, c.relname)
           || E'\\n' || pg_get_viewdef(c.oid, true)
    FROM pg_class c
    WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('v', 'm')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'triggers/' || c.relname || '.' || t.tgname || '.sql', t.tgname, pg_get_triggerdef(t.oid, true)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace IN (SELECT oid FROM ours) AND NOT t.tgisinternal AND NOT c.relispartition
    ORDER BY 1, 2
"""


async def definitions(connection: asyncpg.Connection) -> dict[str, str]:
    """The definitions of the application's schema, by the path of their file in `schema/tables/sql/`, e.g.
    `triggers/LiteLLM_TeamTable.governed_insert.sql`. Functions of one name stand in one file."""
    found: dict[str, str] = {}
    for row in await connection.fetch(_DEFINITIONS):
        text = f"{row['text'].rstrip().removesuffix(';')};\n"
        before = found.get(row["path"])
        found[row["path"]] = text if before is None else f"{before}\n{text}"
    return found
