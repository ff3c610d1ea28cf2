"""A cache of values that were read from Postgres, by name. `runtime/postgres/freshness.py` says how long a
value is in force."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

import msgspec

from runtime.postgres.freshness import DEAF_S, HEARD_S, KNOWN_S, STALE_S, Announcements
from runtime.postgres.look_ups import LookUps
from schema.errors.overload import DatabaseUnavailable

MAX_LOOKUPS = 64
"""How many look-ups of one cache are under way at once."""

V = TypeVar("V")


class Read(msgspec.Struct, Generic[V]):
    """A value, and when it was read."""

    value: V
    read_mono: float
    asked_mono: float
    """When a look-up last began. While announcements do not arrive, the old value is used for DEAF_S after
    that."""
    misses: int = 0
    """How often announcements had been missed when the value was read."""


class Source(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """Where the values of a cache come from, and how many of them the cache keeps."""

    prefix: str
    """The first part of a name's topic: with `customer:`, the topic of `carol` is `customer:carol`."""
    find: Callable[[str], Awaitable[V]]
    """Reads the value of a name. Raises DatabaseUnavailable."""
    is_known: Callable[[V], bool]
    """Whether a value belongs to something that exists. The values of unknown names are kept apart, so that
    many unknown names push out no known one."""
    topics: Callable[[V], Iterable[str]]
    """The rows that a value was read from, as their changes are announced: `team:platform`."""
    max_known: int
    max_strangers: int


class ReadCache(Generic[V]):
    """The cache of one source. Each worker has one for each source."""

    def __init__(
        self,
        source: Source[V],
        announcements: Announcements,
        look_ups: LookUps,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._announcements = announcements
        self._look_ups = look_ups
        self._clock = clock
        self._known: OrderedDict[str, Read[V]] = OrderedDict()
        self._strangers: OrderedDict[str, Read[V]] = OrderedDict()
        self._by_topic: dict[str, set[str]] = {}
        self._under_way = asyncio.Semaphore(MAX_LOOKUPS)
        self._changes = 0
        self._misses = 0

    def get(self, name: str) -> Read[V] | None:
        """The value that was last read for a name, in force or not. None where none is cached."""
        return self._known.get(name) or self._strangers.get(name)

    def is_fresh(self, read: Read[V]) -> bool:
        """Whether a value is in force, by the rules of `runtime/postgres/freshness.py`."""
        if read.misses != self._misses:
            return False
        now = self._clock()
        if now - self._announcements.heard_mono <= HEARD_S:
            return now - read.read_mono <= KNOWN_S
        return now - read.asked_mono <= DEAF_S and now - read.read_mono < STALE_S

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed. `topic` is `all` where any row may have changed.
        An answer that is still under way is not kept."""
        self._changes += 1
        if topic == "all":
            self._known.clear()
            self._strangers.clear()
            self._by_topic.clear()
            return
        self._drop(topic.removeprefix(self._source.prefix))
        for name in list(self._by_topic.get(topic, ())):
            self._drop(name)

    def doubt(self) -> None:
        """Announcements may have been missed. No value is in force until it is read again. Where Postgres
        can't be asked for it, `newer` uses the old value, as before the announcements arrived again: a
        Postgres that comes and goes must not lock out every known key."""
        self._changes += 1
        self._misses += 1

    async def newer(self, name: str, before: Read[V]) -> Read[V]:
        """The value in Postgres now, or `before` where reading takes too long. Raises DatabaseUnavailable
        where Postgres does not answer and `before` is too old."""
        now = self._clock()
        if now - before.read_mono >= STALE_S:
            return await self.read(name)
        before.asked_mono = now
        ask = partial(self.read, name)
        return await self._look_ups.newer(f"{self._source.prefix}{name}", ask) or before

    async def read(self, name: str) -> Read[V]:
        """The value in Postgres now. Raises DatabaseUnavailable."""
        changes = self._changes
        try:
            async with self._under_way:
                read_mono = self._clock()
                value = await self._source.find(name)
        except DatabaseUnavailable:
            self._look_ups.away()
            raise
        read = Read(value=value, read_mono=read_mono, asked_mono=read_mono, misses=self._misses)
        if changes == self._changes:
            self._keep(name, read)
        return read

    def _keep(self, name: str, read: Read[V]) -> None:
        self._drop(name)
        known = self._source.is_known(read.value)
        kept = self._known if known else self._strangers
        kept[name] = read
        for topic in self._source.topics(read.value):
            self._by_topic.setdefault(topic, set()).add(name)
        if len(kept) > (self._source.max_known if known else self._source.max_strangers):
            self._drop(next(iter(kept)))

    def _drop(self, name: str) -> None:
        read = self._known.pop(name, None) or self._strangers.pop(name, None)
        for topic in () if read is None else self._source.topics(read.value):
            names = self._by_topic[topic]
            names.discard(name)
            if not names:
                del self._by_topic[topic]
