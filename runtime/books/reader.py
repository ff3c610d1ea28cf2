"""Reads one journal, also while it is written: rows in the order in which their attempts ended.

What is open is kept in memory: it is built anew from the beginning of the segment where reading goes
on, since every segment begins by saying what was open.
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

log = logging.getLogger(__name__)


class ReadPlace(NamedTuple):
    """Where reading goes on: a segment, and a byte in it."""

    segment: int
    offset: int


class UnreadableJournal(Exception):
    """A journal that does not hold what it has to; the message says what."""


class ReadRow(msgspec.Struct, frozen=True):
    """A row, and the place behind its record."""

    row: SpendRow
    end: ReadPlace


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Entries from one place to another."""

    entries: list[ReadRow]
    begin: ReadPlace
    end: ReadPlace


class JournalReader:
    """Made where Postgres says that reading goes on; None: from the beginning. Raises UnreadableJournal,
    Newer, OSError. After any exception out of a method it must be made anew."""

    def __init__(self, folder: Path, place: ReadPlace | None) -> None:
        self.folder = folder
        self.workers: set[str] = set()
        """In whose names leases were taken."""
        self.damaged = 0
        """Times that records could not be read. Each is in the log."""
        self._open: dict[tuple[str, int], Held] = {}
        self._lost: list[Held] = []
        """Open before a damaged stretch, and not open behind it."""
        self._doubtful = False
        """Was something lost in this segment?"""
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
        """Rows that were not read yet: at most so many, none where it has caught up."""
        begin, entries = self.place, self._found_lost()
        while len(entries) < limit and self._read_some(entries, limit):
            continue
        return Batch(entries=entries, begin=begin, end=self.place)

    def skip_damage(self) -> bool:
        """Reading stands before what is no record, and nobody is writing it just now. Go on behind it, if
        there is anything: what stands in between is lost, and said so. False where it is merely the end."""
        assert self._data is not None
        begin, written = self.place.offset, self.tail_bytes()
        with memoryview(self._data) as view:
            found = next_frame(view, begin, begin + written)
        if found is not None and found > begin:  # at its beginning it is an END that leads nowhere
            self._report(f"up to byte {found}")
            self._doubtful = True
            self.place = ReadPlace(self.place.segment, found)
            return True
        for following in sorted(number for number in segments(self.folder) if number > self.place.segment):
            if self._skip_to(following):
                return True
        return False

    def tail_bytes(self) -> int:
        """Bytes behind the last record that are no record: cut off by a death, or being written. It looks
        through the rest of the segment."""
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
        """Whether something stands where the next record will begin."""
        assert self._data is not None
        return any(self._data[self.place.offset : self.place.offset + FRAME.size])

    def unsettled_rows(self, at: datetime) -> list[SpendRow]:
        """Rows of what will never end: the writer is gone."""
        return [row_of(held, unsettled(held, at)) for held in self._open.values()]

    def _skip_to(self, number: int) -> bool:
        """Go on in a later segment, if its writer did."""
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
        """Stand at the beginning of a segment. Where something was lost before it, what it does not say again
        is not open any more."""
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
        """A damaged segment stays, for somebody to look at, under a second name; where that can't be, booking
        goes on all the same."""
        kept = self.folder.with_name(f"damaged-{self.folder.name}")
        with suppress(OSError):
            kept.mkdir(mode=0o700, exist_ok=True)
            os.link(self.folder / segment_name(number), kept / segment_name(number))

    def _found_lost(self) -> list[ReadRow]:
        lost, self._lost = self._lost, []
        now = datetime.now(UTC)
        return [ReadRow(row_of(held, unsettled(held, now)), self.place) for held in lost]

    def _read_some(self, entries: list[ReadRow], limit: int) -> bool:
        """True where there may be more, in the next segment."""
        assert self._data is not None
        over = False
        with memoryview(self._data) as view:
            try:
                for found in frames(view, self.place.offset):
                    if found.kind == FrameKind.END:
                        over = True
                        break
                    self.place = ReadPlace(self.place.segment, found.end)
                    row = self._take(found)
                    if row is not None:
                        entries.append(ReadRow(row, self.place))
                        if len(entries) >= limit:
                            break
            except Torn:
                pass
        return over and self._follow()

    def _take(self, found: Frame) -> SpendRow | None:
        """What a record says: it changes what is open, and may make a row."""
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
        """Go on in the next segment, which was on disk before the one before it says so. False where it is
        not there, or damaged: then `skip_damage` sees to it."""
        number = self.place.segment + 1
        try:
            data = self._mapped(number)
        except (UnreadableJournal, FileNotFoundError):
            return False
        self._turn_to(number, data)
        return True

    def _seek(self, place: ReadPlace) -> None:
        """Stand at a place, knowing what is open there."""
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
        """Take in records whose rows are booked, and step over what is damaged; gives where that ends."""
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
        """Read what a segment says is open, which is all before its first other record."""
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
        """Does a segment hold more than what is open here? A writer that died while it turned over has
        said that much again, and nothing else."""
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
    """How many segments a journal has on disk; 0 where it is gone."""
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
    """Is its writer gone? Nobody takes up a journal anew."""
    return not is_locked(folder / LOCK)
