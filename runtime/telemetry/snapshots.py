"""The counts of every worker of a data directory, as files.

Each worker writes its own counts into a file once a second. The worker that is asked for metrics adds up the
files. It reads its own file too, so every worker answers with the same numbers, and no counter goes back when
another worker is asked.

A worker holds the lock of its file while it lives. The counts of a dead worker are added to the file `gone`,
so that no counter goes back and no file is left behind.
"""

import asyncio
import fcntl
import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from runtime.process.locks import is_locked
from runtime.telemetry.local_counts import newest, together
from runtime.telemetry.tally import Gauges, Tally, TallyCounts

EVERY_S = 1.0
"""How often a worker writes its counts, if they changed."""
IDLE_TURNS = 10
"""A worker whose counts did not change writes every tenth turn."""
GONE = "gone"
MAX_READS = 10
"""How often the folder is read at most, where dead workers are added to `gone` during each reading."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds: the numbers of one worker or, in the file `gone`, the counts of all dead
    workers."""

    counted: TallyCounts
    gauges: Gauges | None = None
    of: tuple[str, ...] = ()
    """In the file `gone`: the names of the dead workers that were added last and may still have a file."""


_decoder = msgspec.msgpack.Decoder(Snapshot)


class Snapshots:
    """One worker's file in the folder of all workers' files. Raises OSError where the folder can't be
    made."""

    def __init__(self, folder: Path, tally: Tally) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._tally = tally
        self._name = str(uuid.uuid4())
        draft = folder / f".{self._name}.lock"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(folder / f"{self._name}.lock")  # so other processes never see the file unlocked
        self._task: asyncio.Task[None] | None = None
        self.write()

    def start(self) -> None:
        self._task = asyncio.create_task(self._writing(), name="metrics")

    async def close(self) -> None:
        """Write a last time, and release the lock. The file stays until its counts are added to `gone`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._write(gauges=None)
        os.close(self._lock)

    def write(self) -> None:
        """Write what was counted until now. Where the disk is full, the file stays as it is, and calls go
        on."""
        self._write(gauges=self._tally.gauges())

    def state(self) -> object:
        """A value that changes whenever a worker writes."""
        return _state(self._folder)

    async def together(self) -> tuple[list[TallyCounts], list[Gauges]]:
        """The counts of all workers, dead or alive, and the gauges of the living ones. The event loop runs
        between two files. Everything is read again where a worker adds dead ones to `gone` meanwhile."""
        for _ in range(MAX_READS):
            before = _stamp(self._folder / GONE)
            gone = _read(self._folder / GONE)
            names = _names(self._folder)
            found = {}
            for name in names:
                found[name] = _read(self._folder / name)
                await asyncio.sleep(0)
            alive = [name for name in names if is_locked(self._folder / f"{name}.lock")]
            if _stamp(self._folder / GONE) == before:
                break
        gauges = [found[name].gauges for name in alive]
        return (
            [gone.counted, *(each.counted for name, each in found.items() if name not in gone.of)],
            [each for each in gauges if each is not None],
        )

    async def _writing(self) -> None:
        """Write once a second where something changed, and every ten seconds where nothing did. Look for dead
        workers every ten seconds."""
        turns, written = 0, None
        while True:
            if turns % IDLE_TURNS == 0:
                with suppress(OSError):
                    await asyncio.to_thread(fold, self._folder)
            gauges = self._tally.gauges()
            state = (self._tally.additions, msgspec.structs.replace(gauges, memory_bytes=0))
            if turns % IDLE_TURNS == 0 or state != written:
                written = state
                self._write(gauges=gauges)
            turns += 1
            await asyncio.sleep(EVERY_S)

    def _write(self, *, gauges: Gauges | None) -> None:
        with suppress(OSError):
            _replace(self._folder / self._name, Snapshot(counted=self._tally.counted(), gauges=gauges))


def fold(folder: Path) -> None:
    """Add the counts of dead workers to `gone`, and delete their files. One process at a time does this. The
    names of the dead workers are written with the sum before their files are deleted, so that a reader counts
    each of them exactly once."""
    names = _names(folder)
    dead = [name for name in names if not is_locked(folder / f"{name}.lock")]
    if not dead:
        return
    lock = os.open(folder / f"{GONE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = _read(folder / GONE)
        new = [name for name in dead if name not in gone.of]
        counted = gone.counted.merged(_read(folder / name).counted for name in new)
        _replace(folder / GONE, Snapshot(counted=counted, of=tuple(dead)))
        for name in dead:
            (folder / name).unlink(missing_ok=True)
            (folder / f"{name}.lock").unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _names(folder: Path) -> list[str]:
    """The names of the workers that have a file."""
    return [path.name.removesuffix(".lock") for path in folder.glob("*-*.lock")]


def _state(folder: Path) -> object:
    """The stamp of each worker's file, and of `gone`."""
    return [(name, _stamp(folder / name)) for name in sorted(_names(folder))], _stamp(folder / GONE)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """A value that changes whenever the file is replaced. None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Snapshot:
    """What a file holds. A file that is missing or can't be read has no counts."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return Snapshot(counted=TallyCounts())


def _replace(path: Path, content: Snapshot) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.msgpack.encode(content))
    draft.replace(path)


def memory_bytes() -> int:
    """How much RAM this process uses. 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def sum_of(gauges: Iterable[Gauges]) -> Gauges:
    """The sum of the workers' gauges. A flag is true where it is true for every worker. Of the config, the
    oldest that is in force counts."""
    found = list(gauges)
    return Gauges(
        calls_under_way=sum(each.calls_under_way for each in found),
        ledger_rows_waiting=sum(each.ledger_rows_waiting for each in found),
        journal_bytes_waiting=sum(each.journal_bytes_waiting for each in found),
        memory_bytes=sum(each.memory_bytes for each in found),
        hears_changes=all(each.hears_changes for each in found),
        config_in_force=all(each.config_in_force for each in found),
        config_loaded_s=min((each.config_loaded_s for each in found), default=0.0),
        deployments=min((each.deployments for each in found), default=0),
        cache_answers=sum(each.cache_answers for each in found),
        cache_bytes=sum(each.cache_bytes for each in found),
        hosts=newest(host for each in found for host in each.hosts),
        queues=together(queue for each in found for queue in each.queues),
    )
