"""Reads one journal, also while the journal is written. It gives rows in the order in which the attempts
ended.

The reader keeps open holds in memory: attempts that have no ending yet. When reading goes on after a restart,
the reader finds them from the beginning of the segment: every segment begins with the holds that were open
then.
"""

import logging
import mmap
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime.ledger.frames import FRAME, HEADER, Frame, FrameKind, Torn, frames, is_header, next_frame
from runtime.ledger.journal import LOCK, segment_name
from runtime.ledger.progress import PROGRESS, Progress
from runtime.process.locks import is_locked
from schema.ledger.journal import Held, Settled, row_of, unsettled
from schema.ledger.rows import SpendRow

SCANNED_BYTES = 64 * 1024
"""How much of a segment is searched for written bytes at once."""

log = logging.getLogger(__name__)


class ReadPlace(NamedTuple):
    """Where reading goes on: the number of a segment, and a byte offset in it."""

    segment: int
    offset: int


class UnreadableJournal(Exception):
    """A journal that can't be read. The message says what is wrong."""


class ReadRow(msgspec.Struct, frozen=True):
    """A row, and the place where its record ends."""

    row: SpendRow
    end: ReadPlace


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The rows between two places of a journal."""

    entries: list[ReadRow]
    begin: ReadPlace
    end: ReadPlace


class JournalReader:
    """Reads the journal in `folder`, from `place` on; None reads it from the beginning. Raises
    UnreadableJournal, Newer, OSError. After an exception out of any method a new reader must be made."""

    def __init__(self, folder: Path, place: ReadPlace | None) -> None:
        self.folder = folder
        self.workers: set[str] = set()
        """The names under which the journal's writer took leases."""
        self.damaged = 0
        """How many times records were lost. The log tells each time."""
        self._open: dict[tuple[str, int], Held] = {}
        """The holds without an ending."""
        self._lost: list[Held] = []
        """The holds that were open before damaged bytes and are not open after them. Their endings are
        lost."""
        self._doubtful = False
        """Whether records were lost in this segment."""
        self.progress = Progress.of(folder / PROGRESS)
        self._data: mmap.mmap | None = None
        self.place = place or first_place(folder)
        self._seek(self.place)

    @property
    def open(self) -> list[Held]:
        return list(self._open.values())

    def close(self) -> None:
        if self._data is not None:
            self._data.close()
            self._data = None
        self.progress.close()

    def read(self, limit: int) -> Batch:
        """The next rows: `limit` at most, unless more holds have lost their endings. The batch is empty where
        everything written was read."""
        begin, entries = self.place, self._found_lost()
        while len(entries) < limit and self._read_some(entries, limit):
            continue
        return Batch(entries=entries, begin=begin, end=self.place)

    def skip_damage(self) -> bool:
        """Go on after bytes that are no record and that nobody is writing any more. The records in between
        are lost, and the log says so. False where nothing follows: then reading stands at the journal's
        end."""
        assert self._data is not None
        begin, written = self.place.offset, self.tail_bytes()
        with memoryview(self._data) as view:
            found = next_frame(view, begin, begin + written)
        if found is not None and found > begin:  # a record at `begin` is an END without a next segment
            self._report(f"up to byte {found}")
            self._doubtful = True
            self.place = ReadPlace(self.place.segment, found)
            return True
        for following in sorted(number for number in segments(self.folder) if number > self.place.segment):
            if self._skip_to(following):
                return True
        return False

    def tail_bytes(self) -> int:
        """How many bytes after the last record are no record: a record that a dying writer left half written,
        or one that is being written. This searches the rest of the segment."""
        assert self._data is not None
        begin, end = self.place.offset, len(self._data)
        while end > begin:
            start = max(begin, end - SCANNED_BYTES)
            written = len(self._data[start:end].rstrip(b"\0"))
            if written:
                return start + written - begin
            end = start
        return 0

    @property
    def is_written_here(self) -> bool:
        """Whether bytes are written where the next record will begin."""
        assert self._data is not None
        return any(self._data[self.place.offset : self.place.offset + FRAME.size])

    def unsettled_rows(self, at: datetime) -> list[SpendRow]:
        """The rows of holds that will never have an ending, since the writer is gone: `uncertain`, at their
        ceilings."""
        return [row_of(held, unsettled(held, at)) for held in self._open.values()]

    def _skip_to(self, number: int) -> bool:
        """Go on in a later segment, if the writer went on there."""
        try:
            data = self._mapped(number)
        except UnreadableJournal as exc:
            self._report(f"and all of the next one: {exc}")
            self._keep(number)
            return False
        with memoryview(data) as view:
            goes_on = self._goes_on(view)
        if not goes_on:
            data.close()
            return False
        self._report("to its end")
        self._doubtful = True
        self._turn_to(number, data)
        return True

    def _turn_to(self, number: int, data: mmap.mmap) -> None:
        """Stand at the beginning of a segment. Where records were lost before it, only the holds that the
        segment begins with are open."""
        self._enter(number, data)
        if self._doubtful:
            before, self._open, self._doubtful = self._open, {}, False
            self._restate()
            self._lost += [held for name, held in before.items() if name not in self._open]

    def _report(self, how_far: str) -> None:
        self.damaged += 1
        name, place = self.folder.name, self.place
        log.error("journal %s: records are lost in segment %d from byte %d %s", name, *place, how_far)
        self._keep(place.segment)

    def _keep(self, number: int) -> None:
        """Keep a damaged segment for somebody to look at: as a hard link in the folder `damaged-<name>`.
        Where the link can't be made, booking goes on without it."""
        kept = self.folder.with_name(f"damaged-{self.folder.name}")
        with suppress(OSError):
            kept.mkdir(mode=0o700, exist_ok=True)
            os.link(self.folder / segment_name(number), kept / segment_name(number))

    def _found_lost(self) -> list[ReadRow]:
        lost, self._lost = self._lost, []
        now = datetime.now(UTC)
        return [ReadRow(row_of(held, unsettled(held, now)), self.place) for held in lost]

    def _read_some(self, entries: list[ReadRow], limit: int) -> bool:
        """Read records of this segment into `entries`. The result is true where reading went on to the next
        segment."""
        assert self._data is not None
        over, (segment, offset) = False, self.place
        with memoryview(self._data) as view:
            try:
                for found in frames(view, offset):
                    if found.kind == FrameKind.END:
                        over = True
                        break
                    offset, row = found.end, self._take(found)
                    if row is not None:
                        entries.append(ReadRow(row, ReadPlace(segment, offset)))
                        if len(entries) >= limit:
                            break
            except Torn:
                pass
            finally:
                self.place = ReadPlace(segment, offset)
        return over and self._follow()

    def _take(self, found: Frame) -> SpendRow | None:
        """Take in a record. It changes which holds are open, and may make a row."""
        record = found.record
        if isinstance(record, Held):
            self._open.setdefault(record.key, record)
        elif isinstance(record, Settled):
            held = self._open.pop(record.key, None)
            if held is not None:
                return row_of(held, record)
            self.damaged += 1
            log.error("journal %s: %s ended and was never held", self.folder.name, record.request_id)
        elif isinstance(record, SpendRow):
            return record
        elif isinstance(record, str):
            self.workers.add(record)
        return None

    def _follow(self) -> bool:
        """Go on in the next segment. (A writer makes it before it writes END into the one before.) False
        where the next segment is missing or damaged; `skip_damage` deals with that."""
        number = self.place.segment + 1
        try:
            data = self._mapped(number)
        except (UnreadableJournal, FileNotFoundError):
            return False
        self._turn_to(number, data)
        return True

    def _seek(self, place: ReadPlace) -> None:
        """Stand at a place, and know which holds are open there."""
        self._enter(place.segment, self._mapped(place.segment))
        assert self._data is not None
        with memoryview(self._data) as view:
            offset = HEADER.size
            while offset < place.offset:
                offset = self._replay(view, offset, place.offset)
        if offset != max(place.offset, HEADER.size):
            raise UnreadableJournal(
                f"{self.folder}: segment {place.segment} has no record that ends at {place.offset}"
            )
        self.place = ReadPlace(place.segment, offset)

    def _replay(self, view: memoryview, offset: int, until: int) -> int:
        """Take in records whose rows are booked, up to `until` or to damaged bytes, and step over the damage.
        Gives the offset where the next record begins. An offset beyond `until` says that no record ends
        there."""
        try:
            for found in frames(view, offset):
                if found.end > until:
                    return until + 1
                if isinstance(found.record, Settled):
                    self._open.pop(found.record.key, None)
                elif not isinstance(found.record, SpendRow):
                    self._take(found)
                offset = found.end
                if offset == until:
                    return offset
        except Torn:
            pass
        self._doubtful = True
        return next_frame(view, offset, until) or until + 1

    def _restate(self) -> None:
        """Read the holds and names that a segment begins with, up to its first record of another kind."""
        assert self._data is not None
        with memoryview(self._data) as view:
            try:
                for found in frames(view, self.place.offset):
                    if found.kind not in (FrameKind.HELD, FrameKind.WORKER):
                        break
                    self._take(found)
                    self.place = ReadPlace(self.place.segment, found.end)
            except Torn:
                pass

    def _goes_on(self, view: memoryview) -> bool:
        """Whether a segment has more than the holds that are open here. A writer that died while it began a
        segment wrote only those."""
        try:
            return any(
                not isinstance(found.record, str | Held)
                or (isinstance(found.record, Held) and found.record.key not in self._open)
                for found in frames(view, HEADER.size)
            )
        except Torn:
            return True

    def _enter(self, number: int, data: mmap.mmap) -> None:
        """Stand at the beginning of a segment."""
        if self._data is not None:
            self._data.close()
        self._data, self.place = data, ReadPlace(number, HEADER.size)

    def _mapped(self, number: int) -> mmap.mmap:
        path = self.folder / segment_name(number)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        except ValueError as exc:
            raise UnreadableJournal(f"{path}: it is empty") from exc
        finally:
            os.close(fd)
        with memoryview(data) as view:
            begins = is_header(view, number)
        if not begins:
            data.close()
            raise UnreadableJournal(f"{path}: it does not begin as segment {number} does")
        return data


def segments(folder: Path) -> list[int]:
    """The numbers of a journal's segments."""
    return sorted(int(path.stem) for path in folder.glob("[0-9]*.journal"))


def count_segments(folder: Path) -> int:
    """How many segments a journal has on disk. 0 where its folder is gone."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sum(entry.name.endswith(".journal") for entry in entries)
    return 0


def first_place(folder: Path) -> ReadPlace:
    """Where a journal begins. Raises UnreadableJournal."""
    numbers = segments(folder)
    if not numbers:
        raise UnreadableJournal(f"{folder}: it has no segment")
    return ReadPlace(numbers[0], HEADER.size)


def is_abandoned(folder: Path) -> bool:
    """Whether the journal's writer is gone. No other process goes on writing the same journal."""
    return not is_locked(folder / LOCK)
