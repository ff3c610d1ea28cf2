"""The response cache of one worker: memory, and Postgres or Redis behind it where the config says so.
Implements `functions.ports.cache.Cache`.

A cache that fails is a cache that has nothing: the store has a quarter of a second to find an answer, and
after a failure it is left alone for five seconds. Every worker hears by Postgres of answers that are deleted.
What is to be written waits in a queue, and is lost where the queue is full.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from functions.contract.call import Call
from functions.ports.cache import KeptAnswer
from models_registry.config.response_cache import CacheKind, CacheRules
from runtime.cache.memory import MemoryCache
from runtime.cache.redis_store import RedisStore, refusal_in
from runtime.cache.sealed import StillKept, ToKeep
from runtime.cache.table import CacheTable
from runtime.governance.audit_note import note_of, write_note
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.postgres.freshness import HEARD_S, Announcements
from runtime.postgres.listener import EVERYTHING
from runtime.state.sealing import Sealer
from runtime.telemetry.tally import CacheCounts
from runtime.upstream.dialing import Dialer
from schema.errors.base import GatewayError
from schema.errors.overload import Overloaded

CHANNEL = "switchgear_cache"
TABLE = "Switchgear_Cache"
FIND_S = 0.25
"""How long a call waits at most for an answer from Postgres."""
FINDS_AT_ONCE = 1
"""How many answers are looked for in Postgres at once, so that calls don't take the connections of others."""
FINDS_WAITING = 32
"""With so many waiting, a call is not looked for."""
PAUSE_S = 5.0
"""After a failure Postgres is left alone for so long."""
SHORT_PAUSE_S = 0.5
"""After it was slow, it is asked for no answer for so long."""
QUEUE_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 4 * 1024 * 1024
BATCH_ANSWERS = 100
WRITE_S = 5.0
TIDY_S = 60.0
IDLE_TIDY_S = 600.0
"""The same where nothing is written: what is left of earlier settings goes when it is over."""
TIDY_SHARE = 16
"""A worker that wrote this part of what Postgres may hold has it tidied at once."""
KEYS_A_NOTE = 40
"""Postgres announces 8,000 bytes at most."""
FLUSHED = "flush"
NO_SALT_KEY = "This gateway has no salt key, so it keeps no answer outside of its memory."

log = logging.getLogger(__name__)


class ResponseCache:
    """Answers by key. `sealer` is None without a salt key: nothing is kept outside of the memory then.
    `dialer` connects to Redis."""

    def __init__(
        self,
        rules: CacheRules,
        *,
        database: Database,
        sealer: Sealer | None,
        announcements: Announcements,
        counts: CacheCounts,
        dialer: Dialer,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._table = None if sealer is None else CacheTable(database, sealer)
        self._redis: RedisStore | None = None
        self._dialer = dialer
        self._refusal_told = ""
        """Why Redis was not asked the last time, as the log has it."""
        self._closing: set[asyncio.Task[None]] = set()
        self._announcements = announcements
        self._counts = counts
        self.memory = MemoryCache(time.monotonic)
        self._finding = asyncio.Semaphore(FINDS_AT_ONCE)
        self._waiting = 0
        self._away_until = self._slow_until = 0.0
        self._queue: deque[ToKeep] = deque()
        self._queued_bytes = 0
        self._written = 0
        self._changes = 0
        """How often answers were deleted. What was read or written meanwhile is not trusted."""
        self._wake = asyncio.Event()
        self._untidy = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._left: set[asyncio.Task[StillKept | None]] = set()
        """Questions that no call waits for any more. While there is one, no other is asked."""
        self.use(rules)

    @property
    def rules(self) -> CacheRules:
        return self._rules

    def use(self, rules: CacheRules) -> None:
        """Go by these rules from now on."""
        self._rules = rules
        self.is_on = rules.is_on
        self.memory.bound(max_entries=rules.max_entries, max_bytes=rules.max_bytes)
        if not rules.is_on:
            self.memory.clear()
        if self._sealer is not None and rules.redis != (self._redis and self._redis.place):
            gone, self._redis = self._redis, None
            self._refusal_told = ""
            self._drop_queue()  # it was kept for another place
            if gone is not None:
                task = asyncio.create_task(gone.close(), name="response cache, closed")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            if rules.redis is not None:
                self._redis = RedisStore(rules.redis, self._sealer, self._dialer)

    def start(self) -> None:
        if self._table is not None:
            self._tasks = [
                asyncio.create_task(self._writing(), name="response cache"),
                asyncio.create_task(self._tidying(self._table), name="response cache, tidied"),
            ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._left, *self._closing, return_exceptions=True)
        if self._redis is not None:
            await self._redis.close()
        self._dialer.close()

    async def find(self, key: str, *, not_before: float) -> KeptAnswer | None:
        """See Cache."""
        found = self.memory.get(key) if self._hears else None
        if found is None or found.made_at < not_before:
            found = await self._found_there(key)
        if found is not None and found.made_at < not_before:
            found = None
        self._counts.looked(0 if found is None else len(found.body), hit=found is not None)
        return found

    def keep(self, key: str, answer: KeptAnswer, *, ttl_s: float) -> None:
        """See Cache."""
        size = len(answer.body)
        if size > self._rules.max_entry_bytes:
            return
        self.memory.put(key, answer, ttl_s=ttl_s)
        self._counts.kept(size)
        if self._store is None or self._is_away:
            return
        if self._queued_bytes + size <= QUEUE_BYTES:
            self._queue.append(ToKeep(key, answer, ttl_s))
            self._queued_bytes += size
            self._wake.set()

    async def ping(self) -> bool:
        """See Cache."""
        key, answer = f"ping:{uuid.uuid4()}", KeptAnswer(b"pong", time.time())
        if self._rules.kind is CacheKind.REDIS and self._redis is not None:
            return await self._redis.ping(key, ToKeep(key, answer, TIDY_S))
        if self._rules.kind is CacheKind.POSTGRES and self._table is not None:
            return await self._is_kept(self._table, ToKeep(key, answer, TIDY_S))
        self.memory.put(key, answer, ttl_s=TIDY_S)
        return self.memory.get(key) is answer and self.memory.delete(key)

    async def trial(self, rules: CacheRules) -> str:
        """See Cache."""
        if not rules.is_on or rules.kind is CacheKind.LOCAL:
            return "" if rules.is_on else "The settings switch the cache off."
        if self._sealer is None or self._table is None:
            return NO_SALT_KEY
        key = f"ping:{uuid.uuid4()}"
        kept = ToKeep(key, KeptAnswer(b"pong", time.time()), TIDY_S)
        if rules.redis is None:
            return "" if await self._is_kept(self._table, kept) else "Postgres did not keep an answer."
        store = RedisStore(rules.redis, self._sealer, self._dialer)
        try:
            return "" if await store.ping(key, kept) else "Redis did not keep an answer."
        except Overloaded as exc:
            return exc.message
        finally:
            await store.close()

    async def _is_kept(self, table: CacheTable, kept: ToKeep) -> bool:
        """Whether Postgres keeps an answer, and finds it."""
        await table.put([kept])
        found = await table.get(kept.key)
        async with self._database.connection() as connection:
            await table.delete(connection, [kept.key])
        return found is not None and found.answer == kept.answer

    async def delete(self, keys: Sequence[str], *, call: Call) -> int:
        """See Cache."""
        there = 0
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                if self._table is not None:
                    there = await self._table.delete(connection, keys)
                if self._redis is not None:
                    there += await self._redis.delete(keys)
                await _note(connection, "deleted", {"keys": list(keys)}, call)
                for place in range(0, len(keys), KEYS_A_NOTE):
                    await _announce(connection, "\n".join(keys[place : place + KEYS_A_NOTE]))
        return max(there, self._forget(keys))

    async def flush(self, *, call: Call) -> None:
        """See Cache."""
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute(f'TRUNCATE "{TABLE}"')
                if self._redis is not None:
                    await self._redis.flush()
                await _note(connection, "flushed", {}, call)
                await _announce(connection, FLUSHED)
        self._forget_all()

    def heard(self, payload: str) -> None:
        """Some worker deleted answers. `all`: nobody knows which."""
        if payload in (FLUSHED, EVERYTHING):
            self._forget_all()
        else:
            self._forget(payload.split("\n"))

    @property
    def _hears(self) -> bool:
        """Whether this worker hears of answers that are deleted elsewhere."""
        return time.monotonic() - self._announcements.heard_mono <= HEARD_S

    @property
    def _store(self) -> CacheTable | RedisStore | None:
        """What stands behind the memory. None: nothing does."""
        match self._rules.kind:
            case CacheKind.POSTGRES:
                return self._table
            case CacheKind.REDIS:
                return self._redis
        return None

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    async def _found_there(self, key: str) -> KeptAnswer | None:
        """The answer in the store. It goes into the memory, too."""
        store = self._store
        if store is None or self._is_away:
            return None
        if self._waiting >= FINDS_WAITING or self._left or time.monotonic() < self._slow_until:
            return None
        changes = self._changes
        self._waiting += 1
        try:
            async with asyncio.timeout(FIND_S), self._finding:
                found = await self._asked(store, key)
        except TimeoutError:
            self._counts.failed()
            self._slow_until = time.monotonic() + SHORT_PAUSE_S
            return None
        except Exception as exc:  # whatever it is, the call goes on; asyncpg has errors of many kinds
            self._failed("find", exc)
            return None
        finally:
            self._waiting -= 1
        self._refusal_told = ""
        if found is None:
            return None
        if changes == self._changes:
            self.memory.put(key, found.answer, ttl_s=found.left_s)
        return found.answer

    async def _asked(self, store: CacheTable | RedisStore, key: str) -> StillKept | None:
        """The answer in the store. Where the call waits no longer, the question is left to end by itself: a
        connection that hangs takes seconds to be given back."""
        task = asyncio.create_task(store.get(key), name="response cache, question")
        try:
            return await asyncio.shield(task)
        finally:
            if not task.done():
                task.cancel()
                self._left.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[StillKept | None]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else asks for it

    async def _writing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._write(self._taken())

    async def _write(self, batch: Sequence[ToKeep]) -> None:
        changes, store = self._changes, self._store
        if store is None:
            return
        try:
            async with asyncio.timeout(WRITE_S):
                size = await store.put(batch)
                keys = [each.key for each in batch] if changes != self._changes else []
                if isinstance(store, RedisStore):
                    await store.forget(keys)  # what was just deleted may have been written again
                    return
                self._written += size
                if keys:
                    async with self._database.connection() as connection:
                        await store.delete(connection, keys)
        except Exception as exc:  # likewise
            self._failed("write", exc)
            self._drop_queue()
        if self._written > self._rules.max_stored_bytes // TIDY_SHARE:
            self._untidy.set()

    def _taken(self) -> Sequence[ToKeep]:
        """The next answers of the queue, as many as are written at once."""
        batch: list[ToKeep] = []
        size = 0
        while self._queue and len(batch) < BATCH_ANSWERS and size < BATCH_BYTES:
            each = self._queue.popleft()
            size += len(each.answer.body)
            batch.append(each)
        self._queued_bytes -= size
        return batch

    async def _tidying(self, table: CacheTable) -> None:
        while True:
            span_s = TIDY_S if self._rules.kind is CacheKind.POSTGRES else IDLE_TIDY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(span_s):
                    await self._untidy.wait()
            self._untidy.clear()
            self._written = 0
            rules = self._rules
            try:
                await table.tidy(max_entries=rules.max_stored_entries, max_bytes=rules.max_stored_bytes)
            except (GatewayError, asyncpg.PostgresError) as exc:
                log.debug("the response cache could not be tidied: %s", type(exc).__name__)
            except Exception:
                log.exception("the response cache could not be tidied")

    def _failed(self, what: str, exc: Exception) -> None:
        self._counts.failed()
        refusal = refusal_in(exc)
        if refusal is not None and refusal != self._refusal_told:
            log.warning("response cache: %s", refusal)
            self._refusal_told = refusal
        elif refusal is None and not self._is_away:
            log.warning("response cache: %s failed: %s", what, type(exc).__name__)
        self._away_until = time.monotonic() + PAUSE_S

    def _forget(self, keys: Sequence[str]) -> int:
        self._changes += 1
        gone = set(keys)
        self._queue = deque(each for each in self._queue if each.key not in gone)
        self._queued_bytes = sum(len(each.answer.body) for each in self._queue)
        return sum(self.memory.delete(key) for key in gone)

    def _forget_all(self) -> None:
        self._changes += 1
        self._drop_queue()
        self.memory.clear()

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0


async def _announce(connection: asyncpg.Connection, payload: str) -> None:
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


async def _note(connection: asyncpg.Connection, action: str, facts: dict[str, list[str]], call: Call) -> None:
    note = note_of(call, action, table=TABLE, object_id="response cache", facts=facts)
    await write_note(connection, note)
