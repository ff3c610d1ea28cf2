"""Stores prompts and answers in a table of their own: a bounded queue, and one task that writes.

No call waits for this. A body that does not fit into the queue, or can't be written, is lost and counted. The
rows of the ledger take another way, so a lost body does not change them.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime

import asyncpg

from functions.contract.call import Call
from functions.contract.function import EventStream
from runtime.bodies.copy import MAX_RAW_BYTES, BodyCopy, BodyQueue, Copied
from runtime.bodies.redaction import NOTHING, TOO_LONG, Kept, Redactor, UnreadableBody, value_of
from runtime.bodies.storage_policy import StoragePolicy
from runtime.bodies.whole_answer import stream_answer
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition
from schema.tables import naive
from schema.tables.partitions import BODIES, month_of
from schema.wire import Wire

REDACTION_HEADER = "x-litellm-enable-message-redaction"
"""A header of LiteLLM. With the value `true`, the bodies of this call are not stored."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024
WITHOUT_ANSWER = frozenset({"aembedding"})
"""The call types of which only the request is stored: a reader can do nothing with vectors."""
OVERHEAD_BYTES = 1024
"""What one body takes in memory beside its bytes."""
INTERVAL_S = 0.5
"""How long the task waits for more bodies before it writes."""

_INSERT = f"""
    INSERT INTO "{BODIES}"
        (request_id, "startTime", request, response, request_truncated, response_truncated)
    SELECT * FROM unnest($1::text[], $2::timestamp[], $3::text[], $4::text[], $5::boolean[], $6::boolean[])
    ON CONFLICT DO NOTHING
"""

log = logging.getLogger(__name__)


class BodyKeeper:
    """Stores the bodies of a worker's calls. Each worker has one: it is started in the worker's loop and
    closed after the last call."""

    def __init__(
        self,
        database: Database,
        policy: StoragePolicy,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._database = database
        self._policy = policy
        self._redactor = Redactor(policy)
        self.queue = BodyQueue(max_waiting_bytes)
        self._interval_s = interval_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._months: set[date] = set()
        self._told = 0

    def wants(self, call: Call, headers: Mapping[str, str]) -> bool:
        """Whether the bodies of this call are to be stored. What the key, user, team or organization says
        comes before what the config says. The names in `headers` are in lower case."""
        said = call.caller.stores_bodies
        if self._policy.bodies_forbidden or not (self._policy.stores_bodies if said is None else said):
            return False
        if call.stays_local and not call.caller.keeps_local_bodies:
            return False
        return headers.get(REDACTION_HEADER, "").strip().lower() != "true"

    def take(self, call: Call, request: Wire, answer: bytes | EventStream) -> bytes | EventStream:
        """Copy the request and the answer of a call. Gives what is to be sent in place of the answer: the
        same bytes, or a stream that copies its pieces."""
        body = BodyCopy(call, request.fields(), self.queue)
        size = sum(memoryview(raw).nbytes for raw in (body.fields or {}).values())
        if size > MAX_RAW_BYTES:
            body.fields, size = None, 0
        if not self.queue.hold(body, size + OVERHEAD_BYTES):
            self.queue.lose(body)
            return answer
        if isinstance(answer, bytes):
            if call.call_type not in WITHOUT_ANSWER:
                body.add(answer)
            body.finish()
            return answer
        body.streamed = True
        return Copied(answer, body)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="bodies")

    async def close(self, timeout_s: float) -> None:
        """Write the bodies that wait, for `timeout_s` seconds at most. The rest is lost."""
        self._stopping.set()
        self.queue.some.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, timeout_s)
        for body in self.queue.waiting:
            self.queue.lose(body)
        self.queue.waiting.clear()
        self._tell()

    async def _run(self) -> None:
        while self.queue.waiting or not self._stopping.is_set():
            await self.queue.some.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._interval_s)
            self.queue.some.clear()
            while self.queue.waiting:
                await self._write(self._batch())
            self._tell()

    def _batch(self) -> list[BodyCopy]:
        batch, size = [], 0
        while self.queue.waiting and size < BATCH_BYTES:
            batch.append(self.queue.waiting.popleft())
            size += batch[-1].held_bytes
        return batch

    async def _write(self, batch: Sequence[BodyCopy]) -> None:
        written = False
        try:
            await self._insert(await asyncio.to_thread(self._rows, batch))
            written = True
        except Exception as exc:  # after any error these bodies are lost, and the next ones are tried
            log.warning("bodies of %d calls can't be written: %r", len(batch), exc)
            self._months.clear()
        finally:
            for body in batch:
                if written:
                    self.queue.give_back(body, body.held_bytes)
                else:
                    self.queue.lose(body)

    def _rows(self, batch: Sequence[BodyCopy]) -> list[tuple[object, ...]]:
        """The rows to insert. This runs in a thread: it uses only the batch and the redactor."""
        rows: list[tuple[object, ...]] = []
        for body in batch:
            request, response = _kept_request(body, self._redactor), _kept_answer(body, self._redactor)
            rows.append(
                (
                    body.request_id,
                    naive(body.started_at),
                    request.text,
                    response.text,
                    request.truncated,
                    response.truncated,
                )
            )
        return rows

    async def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        arrays = list(zip(*rows, strict=True))
        months = {month_of(moment.date()) for moment in arrays[1] if isinstance(moment, datetime)}
        async with self._database.connection() as connection:
            for anew in (False, True):
                for month in months - self._months:
                    await ensure_partition(connection, month, BODIES)
                    self._months.add(month)
                try:
                    await connection.execute(_INSERT, *arrays)
                except asyncpg.CheckViolationError:  # the partition was dropped, so it is made again
                    if anew:
                        raise
                    self._months.clear()
                else:
                    return

    def _tell(self) -> None:
        lost = self.queue.lost
        if lost > self._told:
            log.error("bodies of %d calls were not kept, %d in all", lost - self._told, lost)
            self._told = lost


def _kept_request(body: BodyCopy, redactor: Redactor) -> Kept:
    if body.fields is None:
        return TOO_LONG
    with suppress(UnreadableBody):
        return redactor.kept_of_fields(body.fields)
    return NOTHING


def _kept_answer(body: BodyCopy, redactor: Redactor) -> Kept:
    """What is stored of an answer. The events of a stream are put together first."""
    if body.too_long:
        return TOO_LONG
    data = b"".join(body.pieces)
    if not data:
        return NOTHING
    with suppress(UnreadableBody):
        answer = stream_answer(data) if body.streamed else value_of(data)
        return NOTHING if answer is None else redactor.kept_of(answer)
    return NOTHING
