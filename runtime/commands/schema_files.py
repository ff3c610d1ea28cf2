"""`just schema`: write the files that say what the migrations make of a database.

These are the files of `schema/tables/sql/`: the present text of each function, view and trigger, so that a
reader need not follow it through the migrations. The recipe is run after a migration was added or changed; a
test says when the files are out of date. The migrations run in an embedded Postgres of the recipe's own.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.definitions import definitions
from runtime.postgres.migrations import ROOT, migrate

FOLDER = ROOT / "schema" / "tables" / "sql"
RECIPE = "just schema"


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
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        return rewrite(FOLDER, await definitions(connection))
    finally:
        await connection.close()


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
