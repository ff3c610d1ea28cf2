"""A worker's journal: what it may owe is written down before it acts, in memory that outlives it.

Records go into a memory-mapped file, so that appending is a copy and no system call, and what was
appended is the kernel's when the process is killed. A task syncs the file in groups, so that a loss of
power costs at most one interval. Segments are allocated whole and ahead of time: a full disk refuses
new calls, and never a record of a call that was let in.
"""

import asyncio
import errno
import fcntl
import logging
import mmap
import os
import shutil
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from runtime.ledger.frames import HEADER, SEGMENT_BYTES, FrameKind, frame, header
from runtime.ledger.journal_folder import private_folder
from runtime.ledger.progress import PROGRESS, Progress
from schema.ledger.journal import Held, Settled
from schema.ledger.rows import SpendRow

LOCK = "lock"
ENDING_BYTES = 4_096
"""Kept free for the end of each attempt under way: more than any such record has."""
SPARE_BYTES = 32 * ENDING_BYTES
MAX_OPEN_BYTES = SEGMENT_BYTES // 2
"""The most that records of attempts under way may take. Every segment begins with all of them."""
SYNC_S = 0.1
MAX_BYTES = 1024 * 1024 * 1024
ROOM_AGAIN_S = 1.0

log = logging.getLogger(__name__)


class Segment:
    """One file, allocated and mapped, and on disk before anything is written. Raises OSError where there is
    no room for it."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.position = HEADER.size
        self.path = folder / segment_name(number)
        draft = self.path.with_suffix(".new")
        self.fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self.fd, 0, SEGMENT_BYTES)
            self.data = mmap.mmap(self.fd, SEGMENT_BYTES)
            self.data[: HEADER.size] = header(number)
            os.fdatasync(self.fd)
            os.rename(draft, self.path)
            sync_folder(folder)
        except BaseException:
            os.close(self.fd)
            draft.unlink(missing_ok=True)
            raise

    @property
    def room(self) -> int:
        return SEGMENT_BYTES - self.position

    def write(self, data: bytes) -> None:
        end = self.position + len(data)
        self.data[self.position : end] = data
        self.position = end

    def close(self) -> None:
        self.data.close()
        os.close(self.fd)


class Journal:
    """One worker's, in a directory of its own under `parent`. Implements `runtime.ledger.attempts.Sink`.

    Its process holds its lock for as long as it lives: who can lock it knows that nobody writes it any
    more. Raises OSError where the directory can't be made or has no room.
    """

    def __init__(self, parent: Path, *, max_bytes: int = MAX_BYTES, sync_s: float = SYNC_S) -> None:
        self.name = str(uuid.uuid4())
        draft, self.folder = parent / f".{self.name}", parent / self.name
        draft.mkdir(mode=0o700, parents=True)
        try:
            self._lock = os.open(draft / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._progress = Progress.made(draft / PROGRESS)
            self._segment = Segment(draft, 0)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(self.folder)  # seen when it is locked and can be read, and not before
        sync_folder(parent)
        self._spare: Segment | None = None
        self._allocating = threading.Lock()
        """A thread makes spares; where it is late, the loop waits for it."""
        self._max_bytes = max_bytes
        self._sync_s = sync_s
        self._open: dict[tuple[str, int], bytes] = {}
        """Frames of what is held and has not ended."""
        self._open_bytes = 0
        self._workers: list[bytes] = []
        self._rows = 0
        self._unsynced = asyncio.Event()
        self._no_room_mono = float("-inf")
        self._retired: list[Segment] = []
        """Full ones that have yet to be synced."""
        self._closing = asyncio.Event()
        self._turned = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting_rows(self) -> int:
        """Rows that are not in Postgres yet."""
        return max(0, self._rows - self._progress.rows)

    @property
    def waiting_bytes(self) -> int:
        return (self._segment.number - self._progress.segment) * SEGMENT_BYTES + self._segment.position

    @property
    def full(self) -> bool:
        """True while no more work should be begun: too much waits for Postgres, too much is under way,
        or the disk has no room for another segment."""
        if self._spare is None and self._segment.room < len(self._open) * ENDING_BYTES + SPARE_BYTES:
            self._allocate()
            if self._spare is None:
                return True
        return self.waiting_bytes >= self._max_bytes or self._open_bytes >= MAX_OPEN_BYTES

    def leases_as(self, worker: str) -> None:
        """From now on this worker's leases are in this name."""
        data = frame(FrameKind.WORKER, worker)
        self._append(data)
        self._workers.append(data)

    def hold(self, held: Held) -> None:
        """An attempt is about to be sent. Not to be called while `full`. Raises TooLarge."""
        data = frame(FrameKind.HELD, held)
        self._append(data)
        self._open[held.key] = data
        self._open_bytes += len(data)

    def settle(self, settled: Settled) -> None:
        """It ended."""
        self._append(frame(FrameKind.SETTLED, settled))
        self._open_bytes -= len(self._open.pop(settled.key))
        self._rows += 1

    def put(self, row: SpendRow) -> None:
        """A row of a call that was never held. Not to be called while `full`. Raises TooLarge."""
        self._append(frame(FrameKind.ROW, row))
        self._rows += 1

    def start(self) -> None:
        """Sync, and allocate ahead, from now on."""
        self._turned.set()
        self._tasks = [asyncio.create_task(self._keep_synced()), asyncio.create_task(self._keep_a_spare())]

    async def close(self) -> None:
        """Sync what there is and unlock it: whoever keeps the books takes it from here."""
        self._closing.set()
        self._turned.set()
        self._unsynced.set()
        await asyncio.gather(*self._tasks)
        await self._sync()
        self._segment.close()
        if self._spare is not None:
            self._spare.close()
            self._spare.path.unlink()
        os.close(self._lock)

    def _append(self, data: bytes) -> None:
        if self._segment.room < len(data) + len(_END):
            self._turn_over()
        self._segment.write(data)
        if not self._unsynced.is_set():
            self._unsynced.set()

    def _turn_over(self) -> None:
        """Go on in the next segment, which says first what is open."""
        if self._spare is None:
            self._allocate()
        following, self._spare = self._spare, None
        if following is None:
            raise OSError("the journal has no room: `full` said so")
        for data in (*self._workers, *self._open.values()):
            following.write(data)
        self._segment.write(_END)
        self._retired.append(self._segment)
        self._segment = following
        self._turned.set()

    def _allocate(self) -> None:
        """Make a spare, if there is none. Tried once a second where there is no room for one."""
        with self._allocating:
            now_mono = time.monotonic()
            if self._spare is not None or now_mono - self._no_room_mono < ROOM_AGAIN_S:
                return
            try:
                self._spare = Segment(self.folder, self._segment.number + 1)
            except OSError as exc:
                self._no_room_mono = now_mono
                log.error("journal: no room for another segment, new calls are refused: %s", exc)

    async def _keep_a_spare(self) -> None:
        while not self._closing.is_set():
            await self._turned.wait()
            self._turned.clear()
            if self._spare is None and not self._closing.is_set():
                await asyncio.to_thread(self._allocate)

    async def _keep_synced(self) -> None:
        while not self._closing.is_set():
            await self._unsynced.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._sync_s)
            try:
                await self._sync()
            except OSError as exc:
                log.error("journal: could not be synced: %s", exc)

    async def _sync(self) -> None:
        while self._retired:
            segment = self._retired[0]
            await asyncio.to_thread(os.fdatasync, segment.fd)
            self._retired.pop(0)
            segment.close()
        if self._unsynced.is_set():
            self._unsynced.clear()
            try:
                await asyncio.to_thread(os.fdatasync, self._segment.fd)
            except OSError:
                self._unsynced.set()
                raise


async def begun(parent: Path, *, max_bytes: int, sync_s: float) -> Journal:
    """A new journal, once the disk has room for it. Nothing is served before: nothing could be booked. Raises
    SettingsError for a directory that others use."""
    private_folder(parent)
    while True:
        try:
            return Journal(parent, max_bytes=max_bytes, sync_s=sync_s)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.error("journal: no room to begin one, this worker waits for some: %s", exc)
            await asyncio.sleep(ROOM_AGAIN_S)


_END = frame(FrameKind.END, None)


def sync_folder(folder: Path) -> None:
    """So that the names in it survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def segment_name(number: int) -> str:
    return f"{number:08d}.journal"
