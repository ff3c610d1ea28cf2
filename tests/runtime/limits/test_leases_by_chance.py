"""Leases against a plain model. Worker processes lease from a real Postgres. One of them is killed, and
answers of Postgres are lost.

Calls cost up to three times what was held for them. In every order of events this must be true:

- The sum of what was spent and of what calls may still spend exceeds the budget by no more than calls cost
  beyond their holds.
- No call is let in that does not fit beside that sum. No call is refused while money that live workers don't
  use would be enough for it.
- What a worker has leased is the sum of three: what is free there, what its calls hold, and what is settled
  and not booked.
- Once a killed worker's journal is replayed, its calls under way are charged at their ceilings, and the rest
  is free again. In the end the team's `spend` is exactly what calls cost, and nothing is leased.
"""

import asyncio
import multiprocessing
import shutil
import tempfile
import time
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runtime.books.bookkeeper import Bookkeeper
from tests.runtime.limits.lease_worker import budget, work
from tests.runtime.limits.test_governor import CENT, MAKE_TEAM

FORKS = multiprocessing.get_context("forkserver")
"""Makes the worker processes. They are copies of one that has imported what they need."""
FORKS.set_forkserver_preload(["tests.runtime.limits.lease_worker"])
LIMIT = 100 * CENT
T = TypeVar("T")
WORKERS = 3
OTHERS_ANSWER_S = 10.0


class Process:
    """One worker process and the calls it has under way: ceiling by id."""

    def __init__(self, dsn: str, team: str, journals: str) -> None:
        self._pipe, theirs = FORKS.Pipe()
        self._process = FORKS.Process(target=work, args=(theirs, dsn, budget(team, LIMIT), journals))
        self._process.start()
        theirs.close()
        self.calls: dict[int, int] = {}
        self.unbooked = 0
        """What its calls cost that are settled and not booked."""
        self.losing = False
        """May an answer be lost to it?"""
        self.name = str(self._pipe.recv()["worker"])

    def say(self, **command: object) -> dict[str, object]:
        self._pipe.send(command)
        answer: dict[str, object] = self._pipe.recv()
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._ended()

    def stop(self) -> None:
        self.say(quit=True)
        self._ended()

    def _ended(self) -> None:
        self._process.join()
        self._process.close()
        self._pipe.close()


class Leases(RuleBasedStateMachine):
    """The model: what was settled, what is held, and what the dead worker took with it."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.team = uuid.uuid4().hex
        self.journals = tempfile.mkdtemp(prefix="switchgear-journals-")
        self.loop = asyncio.new_event_loop()
        self.connection = self.run(asyncpg.connect(self.dsn))
        self.keeper = Bookkeeper(Path(self.journals), self.dsn)
        self.run(self.connection.execute(MAKE_TEAM.replace("'red'", f"'{self.team}'")))
        self.workers = [Process(self.dsn, self.team, self.journals) for _ in range(WORKERS)]
        self.settled = 0
        self.beyond = 0
        """Of that, what calls cost beyond their holds."""
        self.orphaned = 0
        """Leased to a killed worker: its journal is not replayed yet."""
        self.dying = 0
        """Of that, what its calls under way can cost."""
        self.killed: list[str] = []

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @property
    def held(self) -> int:
        return sum(sum(worker.calls.values()) for worker in self.workers)

    @property
    def free(self) -> int:
        return LIMIT - self.settled - self.held - self.orphaned

    def asked(self, worker: Process, nano: int) -> dict[str, object]:
        """The others have 100 ms to return what is idle. Where this machine gave one of them no processor for
        so long, they are asked again."""
        until_mono = time.monotonic() + OTHERS_ANSWER_S
        while True:
            answer = worker.say(admit=nano)
            if "refused" not in answer or nano > self.free or time.monotonic() > until_mono:
                return answer

    @rule(place=st.integers(0, WORKERS - 1), cents=st.integers(1, 60))
    def admit(self, place: int, cents: int) -> None:
        worker = self.workers[place % len(self.workers)]
        answer = self.asked(worker, cents * CENT)
        if "id" in answer:
            assert cents * CENT <= self.free, f"let in {cents} cents with {self.free / CENT} free"
            worker.calls[int(str(answer["id"]))] = cents * CENT
        elif "refused" in answer:
            assert cents * CENT > self.free, f"refused {cents} cents with {self.free / CENT} free"
        else:
            assert worker.losing, answer

    @rule(
        place=st.integers(0, WORKERS - 1),
        what=st.sampled_from(["switchgear_lease", "switchgear_return", "switchgear_undo"]),
        done=st.booleans(),
    )
    def lose(self, place: int, what: str, done: bool) -> None:
        """The next answer of that kind, whenever it comes."""
        worker = self.workers[place % len(self.workers)]
        worker.losing = True
        worker.say(lose=what, done=done)

    @precondition(lambda self: self.held)
    @rule(
        place=st.integers(0, WORKERS - 1),
        share=st.one_of(st.integers(0, 100), st.integers(0, 300)),
        booked=st.booleans(),
    )
    def settle(self, place: int, share: int, booked: bool) -> None:
        """What costs more than was held is charged at once, whether it is booked first or not."""
        _, beyond = self.ended(place, share)
        if booked:
            self.book()
        if beyond:
            self.hear()

    @precondition(lambda self: self.held and len(self.workers) > 1)
    @rule(place=st.integers(0, WORKERS - 1), share=st.integers(101, 300))
    def settle_and_die(self, place: int, share: int) -> None:
        """A worker is killed before it can say that a call cost more than was held."""
        self.book()
        worker, _ = self.ended(place, share)
        self.workers.remove(worker)
        worker.kill()
        self.killed.append(worker.name)
        self.dying = sum(worker.calls.values())
        self.book()
        self.hear()

    def ended(self, place: int, share: int) -> tuple[Process, int]:
        """A call ended at a share of its hold. Who made it, and by how much it cost more."""
        busy = [worker for worker in self.workers if worker.calls]
        worker = busy[place % len(busy)]
        number, ceiling = worker.calls.popitem()
        cost = ceiling * share // 100
        worker.say(settle=number, cost=cost)
        worker.unbooked += cost
        self.settled += cost
        self.beyond += max(0, cost - ceiling)
        return worker, max(0, cost - ceiling)

    def hear(self) -> list[dict[str, object]]:
        """What was announced is heard by every worker; gives what each has. Twice, since what one of them
        returns may be announced."""
        for worker in self.workers:
            worker.say(hear=True)
        return [worker.say(hear=True) for worker in self.workers]

    @rule()
    def look(self) -> None:
        """The leases, against what the workers know."""
        for worker, has in zip(self.workers, self.hear(), strict=True):
            rows = self.fetch('SELECT amount FROM "Switchgear_Lease" WHERE worker = $1', worker.name)
            known = int(str(has["free"])) + int(str(has["held"])) + worker.unbooked
            assert sum(row["amount"] for row in rows) == known
            assert has["held"] == sum(worker.calls.values())

    @rule()
    def book(self) -> None:
        """Replays what a killed worker left, too."""
        self.run(self.keeper.catch_up())
        for worker in self.workers:
            worker.unbooked = 0
        self.settled += self.dying
        self.dying = self.orphaned = 0
        assert self.fetch('SELECT * FROM "Switchgear_Lease" WHERE worker = ANY ($1)', self.killed) == []

    @precondition(lambda self: len(self.workers) > 1)
    @rule(place=st.integers(0, WORKERS - 1))
    def kill(self, place: int) -> None:
        """What it settled and nobody booked is in its lease still, beside what it held."""
        self.book()
        worker = self.workers.pop(place % len(self.workers))
        worker.kill()
        self.killed.append(worker.name)
        held = self.fetch('SELECT amount FROM "Switchgear_Lease" WHERE worker = $1', worker.name)
        self.orphaned = sum(row["amount"] for row in held)
        self.dying = sum(worker.calls.values())
        assert self.orphaned >= self.dying

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert self.settled + self.held + self.orphaned <= LIMIT + self.beyond

    def teardown(self) -> None:
        for worker in self.workers:
            for number in list(worker.calls):
                worker.say(settle=number, cost=0)
            worker.stop()
        self.workers = []
        self.book()
        accounts = self.fetch(
            'SELECT leased FROM "Switchgear_Account" WHERE account = $1', f"money:team:{self.team}"
        )
        assert [row["leased"] for row in accounts] in ([], [0])
        assert self.spend() == self.settled
        assert [path.name for path in Path(self.journals).iterdir()] == []
        shutil.rmtree(self.journals)
        self.run(self.keeper.close())
        self.run(self.connection.close())
        self.loop.close()

    def spend(self) -> int:
        (row,) = self.fetch('SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = $1', self.team)
        return int(row["spend"] * 10**9)

    def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        return list(self.run(self.connection.fetch(sql, *arguments)))


def test_leases_hold_whatever_happens(postgres_dsn: str) -> None:
    machine = type("LeasesHere", (Leases,), {"dsn": postgres_dsn})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
