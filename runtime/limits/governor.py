"""Lets calls in: takes what they need of every budget and limit over them, or says why not.

From memory while slices last; else one round trip leases for all levels. Before it refuses it asks the
other workers to return what they do not use, and tries again for a moment.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from runtime.limits.lease_turns import BUSY
from runtime.limits.leases import LIVES_S, Leases, Shortfall, WorkerLost
from runtime.limits.slices import Need, Slice, Slices, Taken
from schema.errors import DatabaseUnavailable
from schema.limits import Meter, Rule

RECALL_S = 0.1
"""How long a call that does not fit waits for other workers to return what is idle."""
RETRY_S = 0.01
MOST_S = 3.0
"""How long a call waits for a lease in all: somebody's open transaction may hold a team's row for ever."""
IDLE_S = 2.0
BEAT_S = 1.0
TIDY_S = 60.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class NotEnough(Exception):
    """A call does not fit: how the accounts stand that were short."""

    def __init__(self, standings: Sequence[Shortfall]) -> None:
        super().__init__()
        self.standings = tuple(standings)


class _Gate:
    """One call at a time leases for an account; those that waited behind it go by what it found."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.refused_mono = float("-inf")
        self.standings: Sequence[Shortfall] = ()

    def refused(self, arrived_mono: float, short: Sequence[Need]) -> list[Shortfall]:
        """The accounts of which as much as is missing, or less, was refused to another call since then."""
        if self.refused_mono < arrived_mono:
            return []
        missing = {need.rule.account: need for need in short}
        return [
            msgspec.structs.replace(each, need=mine)
            for each in self.standings
            if (mine := missing.get(each.need.rule.account)) is not None and mine.amount >= each.need.amount
        ]


class Governor:
    """One a worker."""

    def __init__(
        self,
        leases: Leases,
        named: Callable[[str], None] = lambda worker: None,
        clock: Callable[[], float] = time.monotonic,
        *,
        orphan_after_s: float | None = None,
    ) -> None:
        self._leases = leases
        self._orphan_after_s = orphan_after_s
        self._named = named
        """Told of each name under which this worker leases, before it does."""
        self._clock = clock
        self.slices = Slices()
        self._gates: WeakValueDictionary[str, _Gate] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: Counter[str] = Counter()
        """Accounts that are being leased from, and by how many."""
        self._doubted: dict[str, float] = {}
        """Accounts that are being leased from, and when each was last known to be overdrawn."""
        self._stopping = asyncio.Event()
        self._seen_mono = clock()

    async def start(self) -> None:
        """Sign on. Raises DatabaseUnavailable."""
        self._named(self._leases.worker)
        await self._leases.beat()
        self._seen_mono = self._clock()
        self._spawn(self._beating())

    async def close(self) -> None:
        """Return what is free. The rest goes back when every call is booked: with the journal's end."""
        self._stopping.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._give_back(self.slices.recall(self.slices.everything()))
        await self._clear_up()

    @property
    def now_s(self) -> float:
        return self._leases.now_s

    @property
    def worker(self) -> str:
        """The name under which this worker leases."""
        return self._leases.worker

    def take(self, needs: Sequence[Need]) -> list[Taken]:
        """All of it, where it is in memory; else nothing. Most calls need no more."""
        return self.slices.take(needs, self._clock())[0]

    async def admit(self, needs: Sequence[Need], *, patient: bool = True) -> list[Taken]:
        """Take all of it. Raises NotEnough, having taken nothing, or DatabaseUnavailable where it is
        not in memory and can't be leased. Who is not `patient` asks no other worker to return some."""
        taken, short = self.slices.take(needs, self._clock())
        if not short:
            return taken
        try:
            async with asyncio.timeout(MOST_S):
                return await self._lease(needs, short, patient=patient)
        except TimeoutError as exc:
            raise DatabaseUnavailable(BUSY, retry_after_s=1) from exc

    def reset_s(self, rule: Rule) -> float:
        return self.slices.reset_s(rule, self.now_s)

    def changed(self, topic: str) -> None:
        """A governed row was changed: what is free under its limits goes back, to be leased anew."""
        accounts = self.slices.everything() if topic == "all" else self.slices.about(topic)
        self._return(self.slices.recall(accounts))

    def recalled(self, payload: str) -> None:
        """Another worker is short of these accounts."""
        accounts = self.slices.everything() if payload == "all" else payload.split("\n")
        self._return(self.slices.recall(accounts))

    def overdrawn_elsewhere(self, account: str) -> None:
        """More is spent and leased of an account than it has (`all`: of some): what this worker has of it
        goes back, also what is on its way to it, and the next call is judged by what Postgres says."""
        accounts = self.slices.everything() if account == "all" else [account]
        self._doubt(list(self._asked) if account == "all" else accounts)
        self._return(self.slices.recall(accounts, overdrawn=True))

    def overdrawn(self, taken: Sequence[Taken]) -> None:
        """A call cost more than it held: charge what no slice covers, on every budget that it took from.
        Calls after it are judged by what Postgres says."""
        out = self.slices.overdrawn(taken)
        self._doubt(held.rule.account for held, _ in out)
        self._return(out)

    async def _fetch(self, short: Sequence[Need]) -> list[Shortfall]:
        """Lease into memory, also when the call that asked is cancelled meanwhile: what Postgres gave must
        be known here. Gives what was short; nothing where nothing was."""
        accounts, asked_mono = [need.rule.account for need in short], self._clock()
        self._asked.update(accounts)
        try:
            outdated = self.slices.outdated(short)
            if outdated:
                await self._give_back(outdated)
            granted, standings = await self._granted(short)
            now_mono = self._clock()
            for each in granted:
                self.slices.put(each, now_mono)
            doubted = [name for name in accounts if self._doubted.get(name, -1.0) >= asked_mono]
            self._return(self.slices.recall(doubted, overdrawn=True))
            return standings
        finally:
            self._asked.subtract(accounts)
            for name in accounts:
                if self._asked[name] <= 0:
                    del self._asked[name]
                    self._doubted.pop(name, None)

    async def _granted(self, short: Sequence[Need]) -> tuple[list[Slice], list[Shortfall]]:
        try:
            return await self._leases.lease(short, self.now_s)
        except WorkerLost:
            await self._begin_anew()
            return await self._leases.lease(short, self.now_s)
        except DatabaseUnavailable:
            self._spawn(self._clear_up())
            raise

    def _doubt(self, accounts: Iterable[str]) -> None:
        """What is being leased of these was asked for before it was known that they are overdrawn."""
        now_mono = self._clock()
        self._doubted.update((name, now_mono) for name in accounts if name in self._asked)

    async def _begin_anew(self) -> None:
        log.error("this worker was silent for too long and begins anew: %s", self._leases.worker)
        self._leases.begin_anew()
        self._named(self._leases.worker)
        self.slices.drop(tuple(Meter))
        await self._leases.beat()

    async def tidy(self) -> None:
        """Delete what ended long ago. Write off what silent workers hold, if the config says so, and name
        them."""
        await self._leases.tidy()
        if self._orphan_after_s is not None:
            for worker, account, amount in await self._leases.give_up(self._orphan_after_s):
                log.error(
                    "worker %s is gone: wrote off what it held of %s: %d nano-USD", worker, account, amount
                )
        for worker, silent_s, amount in await self._leases.orphans():
            log.error(
                "worker %s is silent for %.0f s and holds %d nano-USD until its journal is replayed",
                worker,
                silent_s,
                amount,
            )

    async def _lease(self, needs: Sequence[Need], short: Sequence[Need], *, patient: bool) -> list[Taken]:
        arrived_mono = self._clock()
        account = short[0].rule.account
        gate = self._gates.get(account)
        if gate is None:
            gate = self._gates[account] = _Gate()
        async with gate.lock:
            recalled = False
            while True:
                taken, short = self.slices.take(needs, self._clock())
                if not short:
                    return taken
                refused = gate.refused(arrived_mono, short)
                if refused:
                    raise NotEnough(refused)
                standings = await asyncio.shield(self._spawn(self._fetch(short)))
                now_mono = self._clock()
                if not standings:
                    continue
                taken, missing = self.slices.take(needs, now_mono)
                if not missing:
                    return taken
                if _is_less(missing, short):  # this worker leased some or got some back meanwhile
                    continue
                if not patient or _hopeless(standings) or now_mono - arrived_mono >= RECALL_S:
                    if patient:
                        gate.refused_mono, gate.standings = now_mono, standings
                    raise NotEnough(standings)
                if not recalled:
                    await self._leases.recall([each.need.rule.account for each in standings])
                    recalled = True
                await asyncio.sleep(RETRY_S)

    async def _beating(self) -> None:
        """Once a second: say that this worker lives, and return what is idle."""
        tidied_mono = self._clock() - TIDY_S
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BEAT_S)
                return
            try:
                await self._beat()
                await self._clear_up()
                now_mono = self._clock()
                await self._give_back(self.slices.idle(now_mono, now_mono - IDLE_S))
                if now_mono - tidied_mono >= TIDY_S:
                    tidied_mono = now_mono
                    await self.tidy()
            except DatabaseUnavailable:
                continue  # readiness says so; slices go on while they last
            except Exception:
                log.exception("leases could not be kept up")

    async def _beat(self) -> None:
        asked_mono = self._clock()
        try:
            await self._leases.beat()
        except WorkerLost:
            await self._begin_anew()
        if asked_mono - self._seen_mono >= LIVES_S:  # others may have taken our slots for free
            await self._leases.drop_slots()
            self.slices.drop((Meter.PARALLEL,))
        self._seen_mono = asked_mono
        self.slices.renew(asked_mono + LIVES_S * 2 / 3)

    async def _give_back(self, out: Sequence[tuple[Slice, int]]) -> None:
        for together in _apart(out):
            for held, amount in await self._leases.give_back(together):
                self.slices.keep(held, amount)
            await self._clear_up()

    async def _clear_up(self) -> None:
        """Where it fails, the next statement or beat tries again."""
        with suppress(DatabaseUnavailable):
            await self._leases.clear_up()

    def _return(self, out: Sequence[tuple[Slice, int]]) -> None:
        """At once: what is leased after this waits for its turn behind it."""
        for together in _apart(out):
            self._spawn(self._give_back(together))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _apart(out: Sequence[tuple[Slice, int]]) -> list[Sequence[tuple[Slice, int]]]:
    """What is below zero goes by itself, so that no other account that is locked keeps it waiting."""
    owed: list[Sequence[tuple[Slice, int]]] = [[each] for each in out if each[1] < 0]
    rest = [each for each in out if each[1] >= 0]
    return [*owed, rest] if rest else owed


def _is_less(missing: Sequence[Need], short: Sequence[Need]) -> bool:
    """Is less missing of an account than was asked for?"""
    now = {need.rule.account: need.amount for need in missing}
    return any(now.get(need.rule.account, 0) < need.amount for need in short)


def _hopeless(standings: Sequence[Shortfall]) -> bool:
    """Could not even what the other workers hold make it fit?"""
    return any(
        each.workers == 1 or each.need.amount > each.limit - each.spent or each.leased == 0
        for each in standings
    )
