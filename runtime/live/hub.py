"""One hub a worker: it hears the announcements once, and gives each open page what that page may see.

A worker with open pages says so (`PagesOpen`) every 20 s. While somebody watches, each worker announces its
calls in flight, at most once a second and only where they have changed. The bookkeeper announces the rows of
each batch in the batch's own transaction. With nobody watching the hub sleeps.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC

import msgspec

from functions.contract.call import Call
from functions.contract.roles import Scope
from models_registry.turns.sse import PING, event_frame
from runtime.governance.tenancy import spend_reach
from runtime.ledger.spend_row import Attempt
from runtime.live.stream import RELOAD, LiveStream, ended_frame
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable, Overloaded
from schema.live import (
    InFlight,
    LiveCall,
    LiveCalls,
    LiveRows,
    PagesOpen,
    RowsBooked,
    calls_of,
    in_flight_news,
    read_news,
)

TICK_S = 1.0
"""How often a worker looks whether its calls have changed, while somebody watches."""
WATCHING_EVERY_S = 20.0
WATCHED_S = 50.0
"""For how long a worker tells of its calls after it heard that somebody watches."""
FORGET_S = 60.0
"""A worker that has told nothing for so long is gone, and its calls with it. While somebody watches, workers
tell at least once in WATCHING_EVERY_S."""
PING_S = 15.0
MAX_PAGES = 1_000
MAX_OF_ONE = 200
"""How many pages of one caller are open at a worker."""
MAX_MESSAGES = 8
"""The most announcements by which a worker tells of its calls once."""
MAX_WORKERS = 1_000

log = logging.getLogger(__name__)
TellHubs = Callable[[Sequence[str]], Awaitable[None]]


class HeardFrom(msgspec.Struct):
    """What another worker, or this one, has told of its calls."""

    at_mono: float
    calls: list[LiveCall]
    unlisted: int


class LiveHub:
    """Implements `functions.ports.live.Live`. `announce` sends texts to the hubs of all workers, this one
    included. `under_way` has this worker's attempts, each by a number of its own."""

    def __init__(
        self,
        announce: TellHubs,
        under_way: Mapping[int, Attempt],
        clock: Callable[[], float] = time.monotonic,
        *,
        worker: str = "",
    ) -> None:
        self._announce = announce
        self._under_way = under_way
        self._clock = clock
        self.worker = worker or uuid.uuid4().hex[:12]
        self.pages: dict[LiveStream, None] = {}
        self._workers: dict[str, HeardFrom] = {}
        self._watched_until = self._asks_until = self._asked_mono = self._pinged_mono = float("-inf")
        self._told: frozenset[int] | None = None
        """The numbers of the attempts that this worker told of last. None: it has to tell in any case."""
        self._doubted = False
        self._stopped = False
        self._needed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="live pages")

    def stop(self) -> None:
        """The worker stops: pages open their stream at another one."""
        self._stopped = True
        for page in list(self.pages):
            page.end()

    async def close(self) -> None:
        self.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def open(self, call: Call) -> LiveStream:
        if self._stopped:
            raise Overloaded("This worker is stopping; open the stream again.")
        page = LiveStream(call, self._left)
        of_owner = sum(each.owner == page.owner for each in self.pages)
        if len(self.pages) >= MAX_PAGES or of_owner >= MAX_OF_ONE:
            raise Overloaded(
                f"Too many live pages: {len(self.pages)} are open here, {of_owner} of them yours.",
                retry_after_s=30,
            )
        if not self.pages:
            self._asked_mono = float("-inf")
        self.pages[page] = None
        self._needed.set()
        page.put(_calls_frame(self.calls(page.scope)))
        return page

    def calls(self, scope: Scope) -> LiveCalls:
        self._asks_until = self._clock() + WATCHED_S
        self._needed.set()
        sees = _Sight(scope)
        own = [call for call in map(_live_call, self._under_way.values()) if sees.call(call)]
        others = [each for worker, each in self._workers.items() if worker != self.worker]
        own += [call for each in others for call in each.calls if sees.call(call)]
        own.sort(key=lambda call: call.started_at)
        return LiveCalls(calls=own, unlisted=sum(each.unlisted for each in others) if scope.everything else 0)

    def heard(self, payload: str) -> None:
        """Another hub, this one, or a bookkeeper has announced something."""
        news = read_news(payload)
        if isinstance(news, PagesOpen):
            self._watched_until = self._clock() + WATCHED_S
            self._told = None
            self._needed.set()
        elif isinstance(news, InFlight):
            self._keep(news)
        elif isinstance(news, RowsBooked) and self.pages:
            self._tell(lambda scope: _rows_frame(_Sight(scope), news))

    def missed(self) -> None:
        """Announcements may have been missed."""
        self._workers.clear()
        self._asked_mono = float("-inf")
        for page in self.pages:
            page.put(RELOAD)

    def changed(self, topic: str) -> None:
        """A row that decides what callers may do was changed: each page's caller is looked at again."""
        self._doubted = True

    def _left(self, page: LiveStream) -> None:
        self.pages.pop(page, None)

    def _keep(self, news: InFlight) -> None:
        before = self._workers.get(news.worker)
        calls = list(calls_of(news))
        if news.part and before is not None:
            calls = before.calls + calls
        elif before is None and len(self._workers) >= MAX_WORKERS:
            return
        self._workers[news.worker] = HeardFrom(self._clock(), calls, news.unlisted)
        if self.pages:
            self._tell(lambda scope: _calls_frame(self.calls(scope)))

    def _tell(self, make: Callable[[Scope], bytes | None]) -> None:
        """Give each page an event, which is made once for all pages that see the same."""
        made: dict[Scope, bytes | None] = {}
        for page in self.pages:
            if page.scope not in made:
                made[page.scope] = make(page.scope)
            event = made[page.scope]
            if event is not None:
                page.put(event)

    async def _run(self) -> None:
        while True:
            await self._needed.wait()
            try:
                await self.turn()
            except GatewayError as error:
                log.warning("live pages: nothing is announced for now: %s", error)
            except Exception as exc:  # pages go on with what they have
                log.error("live pages: %r", exc)
            await asyncio.sleep(TICK_S)

    async def turn(self) -> None:
        """One look at what is due."""
        now = self._clock()
        asks = bool(self.pages) or now < self._asks_until
        if asks and now - self._asked_mono >= WATCHING_EVERY_S:
            self._asked_mono = now
            await self._announce([msgspec.json.encode(PagesOpen(self.worker)).decode()])
        if now < self._watched_until:
            places = frozenset(self._under_way)
            if places != self._told:
                self._told = places
                mine = sorted(map(_live_call, self._under_way.values()), key=lambda call: call.started_at)
                await self._announce(in_flight_news(self.worker, mine, most=MAX_MESSAGES))
        elif not asks:
            self._needed.clear()
        for worker in [name for name, each in self._workers.items() if now - each.at_mono > FORGET_S]:
            del self._workers[worker]
        pings = now - self._pinged_mono >= PING_S
        if self.pages and (pings or self._doubted):
            self._doubted = False
            await self._look_at_callers()
        if pings:
            self._pinged_mono = now
            for page in self.pages:
                page.put(PING)

    async def _look_at_callers(self) -> None:
        """End the stream of who may no longer see what it shows. Sessions and keys also run out by time."""
        for page in list(self.pages):
            try:
                scope = await page.still()
            except DatabaseUnavailable:
                page.end()
                continue
            except GatewayError as error:
                page.end(ended_frame(error))
                continue
            if scope != page.scope:
                page.end()


class _Sight:
    """What a scope reaches of calls."""

    def __init__(self, scope: Scope) -> None:
        self.everything, self._user, self._key, teams, organizations = spend_reach(scope)
        self._teams, self._organizations = frozenset(teams), frozenset(organizations)

    def of(self, user: str, key: str, team: str | None, organization: str | None) -> bool:
        return (
            self.everything
            or (self._user is not None and user == self._user)
            or (self._key is not None and key == self._key)
            or (bool(team) and team in self._teams)
            or (bool(organization) and organization in self._organizations)
        )

    def call(self, call: LiveCall) -> bool:
        return self.of(call.user_id, call.api_key, call.team_id, call.organization_id)


def _rows_frame(sees: _Sight, news: RowsBooked) -> bytes | None:
    rows = sum(number for *owner, number in news.owners if sees.of(*owner))
    if sees.everything:
        rows += news.others
    return event_frame(b"rows", msgspec.json.encode(LiveRows(rows=rows))) if rows else None


def _calls_frame(calls: LiveCalls) -> bytes:
    return event_frame(b"calls", msgspec.json.encode(calls))


def _live_call(attempt: Attempt) -> LiveCall:
    call, target = attempt.call, attempt.target
    caller = call.caller
    return LiveCall(
        request_id=call.request_id,
        started_at=call.received_at.astimezone(UTC),
        model=target.public_name,
        provider=target.provider,
        deployment_id=target.model_id,
        api_key=caller.key_hash,
        key_alias=caller.key_alias,
        user_id=caller.user_id,
        team_id=caller.team_id,
        organization_id=caller.organization_id,
        streamed=attempt.streamed,
        attempt=attempt.number,
    )
