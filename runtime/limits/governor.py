"""The governor takes what an attempt needs of every budget and limit over it, or says which accounts are
short.

It takes from memory while the slices last. Else one round trip to Postgres leases from all accounts that are
short. Before the governor refuses, it asks the other workers to return what they do not use, and tries again
for 0.1 s.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from runtime.limits.lease_turns import BUSY
from runtime.limits.leases import LIVES_S, Leases, Shortfall, WorkerLost
from runtime.limits.shortfalls import Gate, NotEnough, hopeless, is_less, recalls
from runtime.limits.slices import Need, Slice, Slices, Taken
from schema.errors.overload import DatabaseUnavailable
from schema.limits import Meter, Rule

RECALL_S = 0.1
"""How long a call that does not fit waits for other workers to return what is idle, from the moment in which
they are asked: a slow Postgres leaves none of them unasked."""
OWED_S = 1.0
"""For how long a worker that has more slots than its share owes one to another worker that asked. A call that
waits asks again after half a second."""
MAX_SHARE_CHARS = 18
RETRY_S = 0.01
"""The pause between two tries within RECALL_S."""
MOST_S = 3.0
"""How long a call waits for a lease in all. An open transaction of somebody else may lock a team's row for
any time."""
CHARGED_S = 1.0
"""How long the end of an answer waits until the answer's debt is charged."""
IDLE_S = 2.0
"""A slice that no call took from for so long is returned."""
BEAT_S = 1.0
"""How often the worker says in Postgres that it lives."""
TIDY_S = 60.0
"""How often the worker deletes what nobody needs any more."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class Debt:
    """What a call cost beyond its hold, on its way to Postgres."""

    def __init__(self, returns: Sequence[asyncio.Task[None]]) -> None:
        self._returns = returns

    async def charged(self) -> None:
        """Wait until every budget is charged, so that the next call at any worker is judged by it. Where
        Postgres does not answer within CHARGED_S, the charge goes on and nobody waits for it."""
        if self._returns:
            await asyncio.wait(self._returns, timeout=CHARGED_S)


class Governor:
    """Meets the needs of attempts, from slices or by leasing. Each worker has one."""

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
        """Called with each name of this worker before the worker leases under it."""
        self._clock = clock
        self.slices = Slices()
        self.passed: Callable[[str], None] = lambda account: None
        """Called with the account of a slot that another worker returned for one like this."""
        self._gates: WeakValueDictionary[str, Gate] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: Counter[str] = Counter()
        """How many leases are under way from each account."""
        self._doubted: dict[str, float] = {}
        """When each account was last said to be overdrawn, for accounts with a lease under way."""
        self._stopping = asyncio.Event()
        self._tidier: asyncio.Task[None] | None = None
        self._seen_mono = clock()

    async def start(self) -> None:
        """Enter this worker in Postgres, and begin to beat. Raises DatabaseUnavailable."""
        self._named(self._leases.worker)
        await self._leases.beat()
        self._seen_mono = self._clock()
        self._spawn(self._beating())
        self._tidier = self._spawn(self._tidying())

    async def close(self) -> None:
        """Return what is free. What calls still hold goes back when the bookkeeper has read this worker's
        journal to its end."""
        self._stopping.set()
        if self._tidier is not None:
            self._tidier.cancel()
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
        """Take all needs from memory. The list is empty where memory has not enough. Most calls need no more
        than this."""
        return self.slices.take(needs, self._clock())[0]

    async def admit(self, needs: Sequence[Need], *, patient: bool = True) -> list[Taken]:
        """Take all needs, from memory or by leasing. With `patient` false, other workers are not asked to
        return what they do not use. Raises NotEnough, or DatabaseUnavailable where Postgres can't be asked.
        Nothing is taken then."""
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
        """A governed row was changed. What is free under its limits goes back, and is leased again under the
        new limits. `topic` is `all` where any row may have been changed."""
        accounts = self.slices.everything() if topic == "all" else self.slices.about(topic)
        self._return(self.slices.recall(accounts))

    def recalled(self, payload: str) -> None:
        """Return what is free of the accounts that another worker is short of. `payload` has one account a
        line, or `all`. A line that begins with a number is about slots of which the other worker has less
        than its share, and the number is the share: `5 parallel:deployment:a`. With a plus (`+5`) somebody
        has just returned such a slot."""
        accounts = self.slices.everything() if payload == "all" else payload.split("\n")
        self._return(self.slices.recall(accounts))
        until_mono = self._clock() + OWED_S
        for line in accounts:
            said, _, account = line.partition(" ")
            share = said.removeprefix("+")
            if not (share.isascii() and share.isdecimal() and len(share) <= MAX_SHARE_CHARS):
                continue
            if share == said:
                self.slices.owe(account, int(share), until_mono)
            elif self.slices.lacks(account, int(share)):
                self.passed(account)

    def ended(self, held: Slice) -> None:
        """A call gave back its slot. Where it is owed to another worker, it goes back to Postgres, and the
        workers that have less than their share hear of it at once."""
        out = self.slices.owed(held, self._clock()) if held.owed_until_mono else ()
        if out:
            self._spawn(self._pass_on(out))

    def overdrawn_elsewhere(self, account: str) -> None:
        """More is spent and leased of an account than its limit. What is free of it here goes back, and so
        does what a lease under way brings. Postgres decides about the next call. `account` is `all` where any
        account may be overdrawn."""
        accounts = self.slices.everything() if account == "all" else [account]
        self._doubt(list(self._asked) if account == "all" else accounts)
        self._return(self.slices.recall(accounts, overdrawn=True))

    def overdrawn(self, taken: Sequence[Taken]) -> "Debt":
        """A call cost more than it held. What its slices can't cover is charged to every budget that the call
        took from. Postgres decides about the calls after it."""
        out = self.slices.overdrawn(taken)
        self._doubt(held.rule.account for held, _ in out)
        return Debt(self._return(out))

    async def _fetch(self, short: Sequence[Need]) -> list[Shortfall]:
        """Lease what is missing and add it to the slices. Gives the accounts that were short; the list is
        empty where the lease was granted. This runs to its end also when the call that asked is cancelled:
        the worker must know what Postgres gave."""
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
        """Note that these accounts are overdrawn, where a lease from them is under way: the lease was asked
        for before anybody knew."""
        now_mono = self._clock()
        self._doubted.update((name, now_mono) for name in accounts if name in self._asked)

    async def _begin_anew(self) -> None:
        log.error("this worker was silent for too long and begins anew: %s", self._leases.worker)
        self._leases.begin_anew()
        self._named(self._leases.worker)
        self.slices.drop(tuple(Meter))
        await self._leases.beat()

    async def tidy(self) -> None:
        """Delete what ended long ago. Log the workers that are silent and hold money. Write off what they
        hold, if the config says after how many seconds."""
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
            gate = self._gates[account] = Gate()
        async with gate.lock:
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
                if is_less(missing, short):  # the worker leased more, or calls gave some back, meanwhile
                    continue
                if not patient or hopeless(standings) or gate.waited(arrived_mono, now_mono - RECALL_S):
                    if patient:
                        gate.refused_mono, gate.standings = now_mono, standings
                    raise NotEnough(standings)
                if gate.recalled_mono < arrived_mono:
                    await self._leases.recall(list(recalls(standings)))
                    gate.recalled_mono = self._clock()
                await asyncio.sleep(RETRY_S)

    async def _beating(self) -> None:
        """Once a second, say in Postgres that this worker lives, and return what is idle."""
        while not await self._stopped_within(BEAT_S):
            try:
                await self._beat()
                await self._clear_up()
                now_mono = self._clock()
                await self._give_back(self.slices.idle(now_mono, now_mono - IDLE_S))
            except DatabaseUnavailable:
                continue  # readiness reports it; calls go on while the slices last
            except Exception:
                log.exception("leases could not be kept up")

    async def _tidying(self) -> None:
        """Tidy once a minute. The beat does not wait for it, since there may be much to look through."""
        pause_s = BEAT_S
        while not await self._stopped_within(pause_s):
            pause_s = TIDY_S
            try:
                await self.tidy()
            except DatabaseUnavailable:
                continue  # readiness reports it
            except Exception:
                log.exception("what ended long ago could not be deleted")

    async def _stopped_within(self, seconds: float) -> bool:
        """Whether this stops within so many seconds, which it waits for."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _beat(self) -> None:
        asked_mono = self._clock()
        try:
            await self._leases.beat()
        except WorkerLost:
            await self._begin_anew()
        if asked_mono - self._seen_mono >= LIVES_S:  # other workers may count this one's slots as free
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
        """Bring statements without an answer to an end. Where this fails, the next statement or beat tries
        again."""
        with suppress(DatabaseUnavailable):
            await self._leases.clear_up()

    async def _pass_on(self, out: Sequence[tuple[Slice, int]]) -> None:
        await self._give_back(out)
        with suppress(DatabaseUnavailable):  # calls that wait try each slot now and then in any case
            await self._leases.recall([f"+{held.share} {held.rule.account}" for held, _ in out])

    def _return(self, out: Sequence[tuple[Slice, int]]) -> list[asyncio.Task[None]]:
        """Begin to return these amounts, without waiting. A lease that is asked for later waits behind
        this."""
        return [self._spawn(self._give_back(together)) for together in _apart(out)]

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _apart(out: Sequence[tuple[Slice, int]]) -> list[Sequence[tuple[Slice, int]]]:
    """The statements to return these amounts with. Each debt (an amount below zero) gets a statement of its
    own, so that the lock of another account does not delay it."""
    owed: list[Sequence[tuple[Slice, int]]] = [[each] for each in out if each[1] < 0]
    rest = [each for each in out if each[1] >= 0]
    return [*owed, rest] if rest else owed
