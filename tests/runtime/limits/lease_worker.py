"""A worker process that does nothing but lease, for tests that kill it. It takes commands by a pipe.

{"admit": nano} is answered by {"id": n}, {"refused": true} or {"away": true}. {"settle": n, "cost": nano}
settles what was admitted. {"lose": function of SQL, "done": bool} makes the next answer of that function get
lost. {"hear": true} is answered by {"free": nano, "held": nano} when all announcements until now are heard
and no answer is missing. {"quit": true} ends the process. There is one budget, whose limit is given at the
start.
"""

import asyncio
import os
import uuid
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from runtime.books.bookkeeper import Bookkeeper
from runtime.ledger.journal import Journal
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.limits.shortfalls import NotEnough
from runtime.limits.slices import Need, Taken, give_back
from runtime.postgres.database import Database
from runtime.postgres.listener import OVERDRAWN, RECALL, Listener
from schema.errors.overload import DatabaseUnavailable
from schema.ledger.journal import Held, HeldCharge
from schema.limits import Holder, Meter, Rule
from tests.runtime.attempts import make_held, make_settled
from tests.runtime.limits.losing import Losing


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


def held_for(taken: Taken) -> Held:
    """The journal's record of an attempt that holds `taken`."""
    held, holder = taken.slice, taken.slice.rule.holder
    charge = HeldCharge(
        held.rule.account,
        held.epoch,
        held.worker,
        taken.amount,
        holder.kind,
        holder.object_id,
        holder.part,
    )
    return make_held(
        str(uuid.uuid4()),
        team_id=holder.object_id,
        user_id="",
        key_hash="",
        started_at=datetime.now(UTC),
        ceiling_nano=taken.amount,
        charges=(charge,),
    )


class Worker:
    """A governor on a connection of its own, and a journal under `journals`."""

    def __init__(
        self, dsn: str, database: Database, governor: Governor, listener: Listener, journal: Journal
    ) -> None:
        self.dsn = dsn
        self.database = database
        self.pool = database.pool
        self.governor = governor
        self.listener = listener
        self.journal = journal
        self._held: dict[int, str] = {}
        """The ids of requests, each by `id` of what was taken for it."""
        self._heard: dict[str, asyncio.Event] = {}
        self._for_ever = set(governor._tasks)
        """The governor's tasks that never end, such as its heartbeat."""

    @classmethod
    async def start(cls, dsn: str, journals: Path) -> "Worker":
        database = await Database.connect(dsn)
        journal = Journal(journals)
        governor = Governor(Leases(database, UTC), journal.leases_as)
        await governor.start()
        heard: dict[str, asyncio.Event] = {}

        def recalled(payload: str) -> None:
            if payload in heard:
                heard[payload].set()
            governor.recalled(payload)

        listener = Listener(dsn, {RECALL: recalled, OVERDRAWN: governor.overdrawn_elsewhere})
        await listener.start()
        worker = cls(dsn, database, governor, listener, journal)
        worker._heard = heard
        return worker

    async def hear(self) -> None:
        """Wait until every announcement made before this is heard and no answer of Postgres is missing."""
        name = uuid.uuid4().hex
        event = self._heard[name] = asyncio.Event()
        await self.database.pool.execute("SELECT pg_notify($1, $2)", RECALL, name)
        await event.wait()
        governor = self.governor
        while governor._tasks - self._for_ever or governor._leases._turns._unanswered:
            await asyncio.gather(*(governor._tasks - self._for_ever), return_exceptions=True)
            await governor._clear_up()
            await asyncio.sleep(0)  # Python 3.12 gathers what has ended without a turn of the loop

    async def admit(self, *needs: tuple[Rule, int]) -> list[Taken] | None:
        """What an attempt took. None: it was refused."""
        try:
            found = await self.governor.admit([Need(rule, amount) for rule, amount in needs])
        except NotEnough:
            return None
        for taken in found:
            if taken.slice.rule.meter is Meter.MONEY:
                held = held_for(taken)
                self.journal.hold(held)
                self._held[id(taken)] = held.request_id
        return found

    def settle(self, taken: Taken, cost: int) -> None:
        self.journal.settle(make_settled(self._held.pop(id(taken)), cost_nano=cost))
        give_back(taken, taken.amount - cost)
        self.governor.overdrawn([taken])

    @property
    def journals(self) -> Path:
        return self.journal.folder.parent

    async def flush(self) -> None:
        await book(self.dsn, self.journals)

    async def stop(self) -> None:
        await self.listener.close()
        await self.governor.close()
        await self.journal.close()
        await self.database.close()

    async def die(self) -> None:
        """End as a killed process does: no lease is returned."""
        await self.listener.close()
        for task in list(self.governor._tasks):
            task.cancel()
        await asyncio.gather(*self.governor._tasks, return_exceptions=True)
        os.close(self.journal._lock)
        await self.database.close()


async def book(dsn: str, journals: Path) -> None:
    """Book what every worker has written down until now, and all that dead workers left."""
    keeper = Bookkeeper(journals, dsn)
    try:
        await keeper.catch_up()
    finally:
        await keeper.close()


async def serve(dsn: str, rule: Rule, journals: Path, pipe: "Connection[Any, Any]") -> None:
    worker = await Worker.start(dsn, journals)
    holds: dict[int, Taken] = {}
    pipe.send({"worker": worker.governor.worker})
    while True:
        command = await asyncio.to_thread(pipe.recv)
        if "admit" in command:
            try:
                taken = await worker.admit((rule, command["admit"]))
            except DatabaseUnavailable:
                pipe.send({"away": True})
                continue
            if taken is None:
                pipe.send({"refused": True})
                continue
            holds[len(holds)] = taken[0]
            pipe.send({"id": len(holds) - 1})
        elif "settle" in command:
            worker.settle(holds[command["settle"]], command["cost"])
            pipe.send({})
        elif "hear" in command:
            await worker.hear()
            slice = worker.governor.slices._slices.get(rule.account)
            pipe.send({"free": slice.free, "held": slice.held} if slice else {"free": 0, "held": 0})
        elif "lose" in command:
            worker.database.pool = Losing(worker.pool, command["lose"], done=command["done"])
            pipe.send({})
        else:
            await worker.stop()
            pipe.send({})
            return


def work(pipe: "Connection[Any, Any]", dsn: str, rule: Rule, journals: str) -> None:
    """The process: it serves what comes by the pipe until it is told to quit."""
    asyncio.run(serve(dsn, rule, Path(journals), pipe))
