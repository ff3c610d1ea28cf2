"""The child process of `runtime/postgres/migrations.py`: applies what is pending, all of it or nothing.

Piccolo finds its one engine by a module's name and keeps it on every table. A process of its own
keeps that, and ten megabytes of migration machinery, out of the gateway. The address comes on
stdin, so that its password is in no process list.
"""

import asyncio
import contextlib
import io
import sys

from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager

from runtime.postgres import piccolo_conf
from runtime.postgres.new_database import take_turn


async def apply(dsn: str) -> None:
    """Apply pending migrations in one transaction, the ledger's entries too."""
    piccolo_conf.DB.config["dsn"] = dsn
    sys.modules["piccolo_conf"] = piccolo_conf
    async with piccolo_conf.DB.transaction() as transaction:
        await take_turn(transaction.connection)
        with contextlib.redirect_stdout(io.StringIO()):
            result = await ForwardsMigrationManager(app_name="switchgear").run()
        if not result.success:
            raise RuntimeError(result.message or "Piccolo did not say why")


if __name__ == "__main__":
    asyncio.run(apply(sys.stdin.readline().strip()))
