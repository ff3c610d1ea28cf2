"""Where calls wait for a free slot of a model whose deployments take so many calls at once.

One queue for the deployments of a model in each worker, fair over teams
(`models_registry/routing/fair_queue.py`). A call says of which deployments it may take a slot. A slot that
becomes free goes to the first call in turn that may take it: a call that waits for another host keeps nobody
from it. Another worker's slot may become free unheard, so each deployment is tried now and then in any case.
The slots themselves are counted by leases, over all workers.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from functions.contract.call import Call
from models_registry.routing.fair_queue import FairQueue
from models_registry.routing.route import Route
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.limits import DeploymentAtLimit

MAX_WAITING = 100
"""The calls that wait for one model in one worker."""
LONGEST_S = 25.0
"""How long a call waits in all."""
TRY_S = 0.5
"""Each deployment that calls wait for is tried at least so often."""
MAX_MODELS = 1_000
GOT, GAVE_UP = "got", "gave_up"
"""How a wait ends."""
LEAST_RETRY_S = 1.0
WEIGHT = 0.2
OTHERS_WAIT = "Other calls wait for a slot of each deployment of the model; try again."


class Waiter:
    """A call in a queue. `turn` gets the ids of the deployments that it is to try. None: the call has to
    go."""

    __slots__ = ("turn", "wants")

    def __init__(self, wants: frozenset[str]) -> None:
        self.turn: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.wants = wants

    def may_take(self, model_id: str) -> bool:
        return model_id in self.wants and not self.turn.done()


class WaitingLine:
    """The queue for the deployments of one model."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.waiting: FairQueue[Waiter] = FairQueue(MAX_WAITING)
        self.between_s = 0.0
        """About how long it is from one free slot to the next. 0: nobody knows yet."""
        self.freed_at: float | None = None
        self.ticking: asyncio.TimerHandle | None = None
        self.ticks = 0

    def next_for(self, model_id: str) -> Waiter | None:
        """Take out the first call in turn that may take a slot of this deployment."""
        return self.waiting.next(lambda waiter: waiter.may_take(model_id))

    def tried_now(self) -> list[str]:
        """The deployments that calls wait for, each time in another order."""
        wanted = sorted({each for waiter in self.waiting for each in waiter.wants})
        first = self.ticks % len(wanted) if wanted else 0
        self.ticks += 1
        return wanted[first:] + wanted[:first]


def _unheard(_model: str, _took_s: float, _outcome: str) -> None:
    """Nobody counts the waits."""


class SlotQueues:
    """One a worker."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        waited: Callable[[str, float, str], None] = _unheard,
    ) -> None:
        """`waited` is told of each wait that is over: of which model, for how many seconds, and whether the
        call GOT its turn or GAVE_UP."""
        self.clock = clock
        self.waited = waited
        self.lines: dict[str, WaitingLine] = {}
        """The queues in which calls wait, by their hall (`Leg.hall`)."""
        self._wanted: Counter[str] = Counter()
        """How many calls wait for each deployment."""

    def is_wanted(self, target: Target) -> bool:
        """Whether calls wait for a slot of this deployment. A new call waits behind them."""
        return target.model_id in self._wanted

    async def turn(self, route: Route, team: str, *, until: float, again: bool = False) -> list[str]:
        """Wait until it is this call's turn, and give the ids of the deployments that it is to try. `until`:
        when it gives up, by the clock. `again`: it had a turn, and found no slot. Raises DeploymentAtLimit,
        with when to come again, where it has to give up."""
        hall, model = route.leg.hall, route.target.public_name
        line, waiter = self._line(hall, model), Waiter(route.leg.slots)
        began, found = self.clock(), list[str]()
        out = line.waiting.enter(team, waiter, first=again)
        if out is waiter:
            raise self._full(line, model, len(line.waiting))
        self._count(waiter, 1)
        if out is not None and not out.turn.done():
            out.turn.set_result([])
        self._tick(hall, line)
        try:
            async with asyncio.timeout(max(0.0, until - self.clock())):
                found = await waiter.turn
        except TimeoutError:
            position = line.waiting.position(team, waiter)
            self._pass_on(waiter)
            raise self._full(line, model, position) from None
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            self.waited(model, self.clock() - began, GOT if found else GAVE_UP)
            self._count(waiter, -1)
            line.waiting.leave(team, waiter)
            self._tidy(hall, line)
        if not found:
            raise self._full(line, model, len(line.waiting))
        return found

    def freed(self, model_id: str) -> None:
        """A slot of the deployment became free in this worker."""
        if model_id not in self._wanted:
            return
        now = self.clock()
        for line in self.lines.values():
            waiter = line.next_for(model_id)
            if waiter is not None:
                if line.freed_at is not None:
                    between_s, known = now - line.freed_at, line.between_s
                    line.between_s = between_s if not known else known + WEIGHT * (between_s - known)
                line.freed_at = now
                waiter.turn.set_result([model_id])
                return

    def unused(self, model_id: str) -> None:
        """The call whose turn it was at this deployment does not take the slot: it is the next one's turn."""
        waiters = (line.next_for(model_id) for line in self.lines.values())
        waiter = next((each for each in waiters if each is not None), None)
        if waiter is not None:
            waiter.turn.set_result([model_id])

    def _pass_on(self, waiter: Waiter) -> None:
        """A call left in the moment in which it was its turn."""
        if waiter.turn.done() and not waiter.turn.cancelled():
            for model_id in waiter.turn.result():
                self.unused(model_id)

    def _line(self, hall: str, model: str) -> WaitingLine:
        found = self.lines.get(hall)
        if found is None:
            if len(self.lines) >= MAX_MODELS:
                raise DeploymentAtLimit("Too many models have calls that wait for a slot.", retry_after_s=1.0)
            found = self.lines[hall] = WaitingLine(model)
        return found

    def _count(self, waiter: Waiter, number: int) -> None:
        for model_id in waiter.wants:
            self._wanted[model_id] += number
            if self._wanted[model_id] <= 0:
                del self._wanted[model_id]

    def _tick(self, hall: str, line: WaitingLine) -> None:
        """Let each deployment be tried after a while, whatever this worker hears."""
        if line.ticking is None:
            line.ticking = asyncio.get_running_loop().call_later(TRY_S, self._ticked, hall, line)

    def _ticked(self, hall: str, line: WaitingLine) -> None:
        """Each deployment is tried by one call. Where there are fewer calls, one tries several."""
        line.ticking = None
        turns: list[tuple[Waiter, list[str]]] = []
        for model_id in line.tried_now():
            waiter = line.next_for(model_id)
            if waiter is not None:
                turns.append((waiter, [model_id]))
                continue
            several = next((ids for each, ids in turns if model_id in each.wants), None)
            if several is not None:
                several.append(model_id)
        for waiter, ids in turns:
            waiter.turn.set_result(ids)
        if len(line.waiting):
            self._tick(hall, line)

    def _tidy(self, hall: str, line: WaitingLine) -> None:
        if not len(line.waiting) and self.lines.get(hall) is line:
            if line.ticking is not None:
                line.ticking.cancel()
            del self.lines[hall]

    def _full(self, line: WaitingLine, model: str, position: int) -> DeploymentAtLimit:
        """The error for a call that does not get a slot: how many are before it, and when it may have one."""
        retry_s = max(LEAST_RETRY_S, (position + 1) * line.between_s)
        error = DeploymentAtLimit(
            f"All slots of the model `{model}` are taken, and {position} calls wait before this one; try "
            f"again in {retry_s:.0f} s.",
            retry_after_s=retry_s,
            limit_type="max_parallel_requests",
        )
        error.position = position
        return error


class SlotTurns:
    """The waits of one call for slots."""

    __slots__ = ("_call", "_left", "_queues", "_taking", "_until")

    def __init__(self, queues: SlotQueues, call: Call) -> None:
        self._queues = queues
        self._call = call
        self._until = 0.0
        self._taking = ""
        """The deployment at which it is the call's turn. Empty: at none."""
        self._left: list[str] = []
        """The deployments that the call is to try after it in the same turn."""

    async def wait_behind(self, route: Route) -> None:
        """Let the calls go first that wait for the deployment which this call would go to. A deployment that
        nobody waits for is gone to at once. Raises DeploymentAtLimit."""
        while self._queues.is_wanted(route.target):
            if not route.advance(DeploymentAtLimit(OTHERS_WAIT, waits=True)):
                raise DeploymentAtLimit(OTHERS_WAIT, waits=True)
            if route.waits_for_slot:
                return await self.wait(route)
        return None

    async def wait(self, route: Route) -> None:
        """Wait for this call's turn at a deployment of the route. Where it gives up, the route goes on to
        another deployment or model. Raises DeploymentAtLimit where there is none."""
        left = [each for each in self._left if each in route.leg.slots]
        if left:
            self._take(route, left)
            return
        clock, side = self._queues.clock, self._call.provider_side
        while True:
            began, again = clock(), bool(self._until)
            self._until = self._until or began + LONGEST_S
            try:
                found = await self._queues.turn(route, team_of(self._call), until=self._until, again=again)
                self._take(route, found)
                return
            except DeploymentAtLimit as full:
                if not route.advance(full):
                    raise
            finally:
                side.waited_s += clock() - began
            if not route.waits_for_slot:
                return

    def tried(self, error: GatewayError) -> None:
        """An attempt failed. A slot that was free and was not taken is for the next call."""
        taking, self._taking = self._taking, ""
        if not taking:
            return
        if not (isinstance(error, DeploymentAtLimit) and error.waits):
            left, self._left = self._left, []
            for model_id in (taking, *left):
                self._queues.unused(model_id)

    def _take(self, route: Route, ids: list[str]) -> None:
        self._taking, *self._left = ids
        route.take_slot(self._taking)


def team_of(call: Call) -> str:
    """Who takes turns with others: the caller's team, else its user, else its key. A user whose id is that of
    a team is nobody of the team."""
    caller = call.caller
    if caller.team_id:
        return f"team {caller.team_id}"
    return f"user {caller.user_id}" if caller.user_id else f"key {caller.key_hash}"
