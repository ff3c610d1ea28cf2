"""`just schema`: write the files that say what the migrations make of a database.

`schema/tables/new_database.sql` makes the tables of a new database in one go. The files of
`schema/tables/sql/` have the present text of each function, view and trigger, so that a reader need not
follow it through the migrations. The recipe is run after a migration was added or changed; tests say when a
file is out of date. The migrations run in an embedded Postgres of the recipe's own.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from runtime.local.postgres import EmbeddedPostgres
from runtime.local.postgres_cluster import binaries
from runtime.postgres.definitions import definitions
from runtime.postgres.migrations import apply_pending
from runtime.postgres.new_database import FILE, ROOT
from schema.tables.partitions import BODIES, PARENT

FOLDER = ROOT / "schema" / "tables" / "sql"
RECIPE = "just schema"

HEAD = """\
-- The tables of a new database, and the entries of the migrations that this file stands for. Later
-- migrations run after it (runtime/postgres/new_database.py). `just schema` writes this file: what changes a
-- table is a migration.

SET LOCAL check_function_bodies = false;

"""
_SESSION = re.compile(r"^(SET \w+ = .*;|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n", re.MULTILINE)
"""What pg_dump sets for the session that runs the file, and no server of ours needs."""
_REMARK = re.compile(r"\n*^--\n(?:-- .*\n)+--\n+|^-- Dumped .*\n", re.MULTILINE)
"""pg_dump's headings. The comments in a function's text have no bare `--` around them."""
_INDEX = re.compile(r'^(CREATE (?:UNIQUE )?INDEX "?([^"\s]+)"? .*;)$', re.MULTILINE)
_INDEXES = """
    SELECT relname FROM pg_class WHERE relkind IN ('i', 'I') AND relnamespace = current_schema()::regnamespace
    ORDER BY oid
"""
_REVOKED = """
    SELECT relname, string_agg(missing, ', ' ORDER BY missing) AS privileges
    FROM (
        SELECT c.relname, (aclexplode(acldefault('r', c.relowner))).privilege_type AS missing
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relacl IS NOT NULL
        EXCEPT
        SELECT c.relname, held.privilege_type FROM pg_class c, aclexplode(c.relacl) held
        WHERE held.grantee = c.relowner
    ) AS those GROUP BY 1 ORDER BY 1
"""
"""What the owner of a table may not do with it: pg_dump would write the owner's name, and privileges that an
older Postgres does not know."""


def main() -> int:
    """Run the migrations and write the files. Gives the exit code."""
    with tempfile.TemporaryDirectory(prefix="switchgear-schema-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            changed = asyncio.run(_write(server.start()))
        finally:
            server.stop()
    sys.stdout.write("".join(f"{path}\n" for path in changed) or "Every file was up to date.\n")
    return 0


async def _write(dsn: str) -> list[str]:
    await apply_pending(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        changed = rewrite(FOLDER, await definitions(connection))
        indexes = await connection.fetch(_INDEXES)
        tables = _in_order(_tables(dsn), [row["relname"] for row in indexes])
        text = HEAD + tables + await _entries(connection)
    finally:
        await connection.close()
    if not FILE.exists() or FILE.read_bytes() != text.encode():
        FILE.write_bytes(text.encode())
        changed.append(FILE.name)
    return changed


def _tables(dsn: str) -> str:
    """The schema as pg_dump has it, without months and owners. Its names have no schema, so that the tables
    are made where the connection's search path says."""
    months = [f'--exclude-table="{parent}_"[0-9]*' for parent in (PARENT, BODIES)]
    command = [str(binaries() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", *months, dsn]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"\bpublic\.", "", _SESSION.sub("", _REMARK.sub("\n\n", dumped))).strip()


def _in_order(tables: str, indexes: list[str]) -> str:
    """The indexes in the order in which the migrations made them, in place of the alphabet's. A partition's
    indexes are made in the order of its parent's, and get numbers by it (`..._idx1`)."""
    made = _INDEX.findall(tables)
    ordered = iter(sorted(made, key=lambda found: indexes.index(found[1])))
    return _INDEX.sub(lambda _: next(ordered)[0], tables)


async def _entries(connection: asyncpg.Connection) -> str:
    """The privileges that are taken away, and the entries in Piccolo's ledger."""
    lines = [
        f'REVOKE {row["privileges"]} ON "{row["relname"]}" FROM CURRENT_USER, PUBLIC;'
        for row in await connection.fetch(_REVOKED)
    ]
    for row in await connection.fetch("SELECT name FROM migration ORDER BY id"):
        lines.append(f"INSERT INTO migration (name, app_name) VALUES ('{row['name']}', 'switchgear');")
    return "\n\n" + "\n".join(lines) + "\n"


def differences(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """The files of a folder that are not these texts, by path, and what is wrong with each."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found = {path: f"{path} is missing" for path in texts.keys() - there.keys()}
    for path, file in there.items():
        if path not in texts:
            found[path] = f"{path} defines what a migrated database does not have"
        elif file.read_bytes() != texts[path].encode():
            found[path] = f"{path} differs from the definition in a migrated database"
    return {path: f"{found[path]}; run `{RECIPE}`" for path in sorted(found)}


def rewrite(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Make the files of a folder these texts. Gives the paths that were written or removed."""
    found = differences(folder, texts)
    for path in found:
        if path in texts:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(texts[path].encode())
        else:
            (folder / path).unlink()
    return list(found)


if __name__ == "__main__":
    sys.exit(main())
