"""A worker process that leases and nothing else, driven by lines of JSON: for tests that kill it.

Commands: {"admit": nano} -> {"id": n} or {"refused": true}; {"settle": n, "cost": nano}; {"flush": true};
{"quit": true}. One budget, whose limit is given at the start.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from runtime.announcements import RECALL, Listener
from runtime.database import Database
from runtime.governor import Governor, NotEnough
from runtime.leases import Leases
from runtime.slices import Need, Taken, give_back
from runtime.spend_insert import insert_rows
from schema.limits import Holder, Meter, Rule
from schema.spend import Charge, SpendRow
from tests.runtime.attempts import make_row


def budget(team: str, limit: int, duration: str | None = None) -> Rule:
    """A team's budget in nano-USD."""
    return Rule(
        account=f"money:team:{team}",
        meter=Meter.MONEY,
        who="team",
        subject=f"team {team}",
        limit=limit,
        duration=duration,
        holder=Holder("team", team),
        topics=(f"team:{team}",),
    )


def requests_a_minute(key: str, limit: int) -> Rule:
    return Rule(
        account=f"rpm:key:{key}",
        meter=Meter.REQUESTS,
        who="api_key",
        subject=f"key {key}",
        limit=limit,
        duration="1m",
    )


def at_once(key: str, limit: int) -> Rule:
    return Rule(
        account=f"parallel:key:{key}", meter=Meter.PARALLEL, who="api_key", subject=f"key {key}", limit=limit
    )


def charged(taken: Taken, cost: int) -> SpendRow:
    """The row of an attempt that held `taken` and cost so much."""
    held = taken.slice
    charge = Charge(
        held.rule.account,
        held.epoch,
        held.worker,
        min(cost, taken.amount),
        cost,
        held.rule.holder.kind,
        held.rule.holder.object_id,
        held.rule.holder.part,
    )
    return make_row(
        str(uuid.uuid4()),
        cost_nano=cost,
        team_id=held.rule.holder.object_id,
        user_id="",
        key_hash="",
        started_at=datetime.now(UTC),
        charges=(charge,) if cost else (),
    )


class Worker:
    """A governor on a connection of its own, and the rows that it has yet to book."""

    def __init__(self, database: Database, governor: Governor, listener: Listener) -> None:
        self.database = database
        self.governor = governor
        self.listener = listener
        self.unbooked: list[SpendRow] = []

    @classmethod
    async def start(cls, dsn: str) -> "Worker":
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        listener = Listener(dsn, {RECALL: governor.recalled})
        await listener.start()
        return cls(database, governor, listener)

    async def admit(self, *needs: tuple[Rule, int]) -> list[Taken] | None:
        """None where it is refused."""
        try:
            return await self.governor.admit([Need(rule, amount) for rule, amount in needs])
        except NotEnough:
            return None

    def settle(self, taken: Taken, cost: int) -> None:
        give_back(taken, max(0, taken.amount - cost))
        self.unbooked.append(charged(taken, cost))

    async def flush(self) -> None:
        rows, self.unbooked = self.unbooked, []
        if rows:
            async with self.database.connection() as connection:
                await insert_rows(connection, rows)

    async def stop(self) -> None:
        await self.flush()
        await self.listener.close()
        await self.governor.close(booked=True)
        await self.database.close()

    async def die(self) -> None:
        """As a killed process does: nothing is returned."""
        await self.listener.close()
        for task in list(self.governor._tasks):
            task.cancel()
        await asyncio.gather(*self.governor._tasks, return_exceptions=True)
        await self.database.close()


async def serve(dsn: str, rule: Rule, lines: asyncio.StreamReader) -> None:
    worker = await Worker.start(dsn)
    holds: dict[int, Taken] = {}
    answer({"worker": worker.governor.worker})
    while line := await lines.readline():
        command = json.loads(line)
        if "admit" in command:
            taken = await worker.admit((rule, command["admit"]))
            if taken is None:
                answer({"refused": True})
                continue
            holds[len(holds)] = taken[0]
            answer({"id": len(holds) - 1})
        elif "settle" in command:
            worker.settle(holds[command["settle"]], command["cost"])
            answer({})
        elif "flush" in command:
            await worker.flush()
            answer({})
        else:
            await worker.stop()
            answer({})
            return


def answer(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


async def main(arguments: Sequence[str]) -> None:
    dsn, encoded = arguments
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await serve(dsn, msgspec.json.decode(encoded, type=Rule), lines)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
