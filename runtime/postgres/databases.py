"""The pools of a worker, one for each lane (`runtime/postgres/lanes.py`)."""

from types import MappingProxyType

import msgspec

from runtime.postgres.database import Database, Terms
from runtime.postgres.lanes import Lane, sizes
from schema.secret import Secret

TERMS = MappingProxyType(
    {
        Lane.AUTH: Terms(statement_timeout_s=5, lock_timeout_s=1),
        Lane.LEASES: Terms(statement_timeout_s=5, lock_timeout_s=1),
        Lane.MANAGEMENT: Terms(statement_timeout_s=15, lock_timeout_s=5),
        Lane.REPORTS: Terms(statement_timeout_s=15, lock_timeout_s=1),
    }
)


class Databases(msgspec.Struct, frozen=True, kw_only=True):
    """The pools of a worker. They share one Piccolo engine. The engine's own pool is the first one:
    management's."""

    auth: Database
    leases: Database
    management: Database
    reports: Database

    @classmethod
    async def connect(cls, dsn: Secret, connections: int) -> "Databases":
        """Open all pools, with `connections` connections together, the listener's one included. Raises
        DatabaseUnavailable."""
        opened: dict[Lane, Database] = {}
        try:
            for lane, size in sizes(connections).items():
                first = next(iter(opened.values()), None)
                engine = None if first is None else first.engine
                opened[lane] = await Database.connect(dsn.reveal(), TERMS[lane], size=size, engine=engine)
        except BaseException:
            for database in opened.values():
                await database.close()
            raise
        return cls(**{lane.value: database for lane, database in opened.items()})

    async def close(self) -> None:
        for database in (self.reports, self.management, self.auth, self.leases):
            await database.close()
