"""Reads one journal, also while it is written: rows in the order in which their attempts ended.

What is open is kept in memory: it is built anew from the beginning of the segment where reading goes
on, since every segment begins by saying what was open.
"""

import fcntl
import logging
import mmap
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime.journal import LOCK, segment_name
from runtime.journal_format import HEADER, Frame, Kind, Torn, frames, is_header
from runtime.journal_progress import PROGRESS, Progress
from schema.journal import Held, Settled, row_of, unsettled
from schema.spend import SpendRow

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where reading goes on: a segment, and a byte in it."""

    segment: int
    offset: int


class Unreadable(Exception):
    """A journal that does not hold what it has to; the message says what."""


class Entry(msgspec.Struct, frozen=True):
    """A row, and the place behind its record."""

    row: SpendRow
    end: Place


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Entries from one place to another."""

    entries: list[Entry]
    begin: Place
    end: Place


class JournalReader:
    """Made where Postgres says that reading goes on; None: from the beginning. Raises Unreadable,
    OSError."""

    def __init__(self, folder: Path, place: Place | None) -> None:
        self.folder = folder
        self.workers: set[str] = set()
        """In whose names leases were taken."""
        self.damaged = 0
        """Times that records could not be read. Each is in the log."""
        self._open: dict[str, Held] = {}
        self._lost: list[Held] = []
        """Open before a damaged stretch, and not open behind it."""
        self.progress = Progress.of(folder / PROGRESS)
        self._data: mmap.mmap | None = None
        first = min(self._numbers(), default=None)
        if first is None:
            raise Unreadable(f"{folder}: it has no segment")
        self.place = place or Place(first, HEADER.size)
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
        """Reading stands before what is no record. Go on in the next segment, if its writer did: the
        rest of this one is lost, and said so. False where it is merely the end."""
        following = self.place.segment + 1
        if following not in self._numbers():
            return False
        before = dict(self._open)
        if not self._goes_on(following):
            return False
        log.error("journal %s: records of segment %d behind byte %d are lost", self.folder.name, *self.place)
        self.damaged += 1
        self._open = {}
        self.place = Place(following, HEADER.size)
        self._map()
        self._restate()
        self._lost = [held for name, held in before.items() if name not in self._open]
        return True

    def tail_bytes(self) -> int:
        """Bytes behind the last record that are no record: cut off by a death, or being written."""
        assert self._data is not None
        rest = self._data[self.place.offset :]
        return len(rest.rstrip(b"\0"))

    def unsettled_rows(self, at: datetime) -> list[SpendRow]:
        """Rows of what will never end: the writer is gone."""
        return [row_of(held, unsettled(held, at)) for held in self._open.values()]

    def _found_lost(self) -> list[Entry]:
        lost, self._lost = self._lost, []
        now = datetime.now(UTC)
        return [Entry(row_of(held, unsettled(held, now)), self.place) for held in lost]

    def _read_some(self, entries: list[Entry], limit: int) -> bool:
        """True where there may be more, in the next segment."""
        assert self._data is not None
        view, over = memoryview(self._data), False
        try:
            for found in frames(view, self.place.offset):
                segment = self.place.segment
                if found.kind == Kind.END:
                    over = True
                    break
                self.place = Place(segment, found.end)
                row = self._take(found)
                if row is not None:
                    entries.append(Entry(row, self.place))
                    if len(entries) >= limit:
                        break
        except Torn:
            pass
        finally:
            view.release()
        if over:
            self._follow()
        return over

    def _take(self, found: Frame) -> SpendRow | None:
        """What a record says: it changes what is open, and may make a row."""
        record = found.record
        if isinstance(record, Held):
            self._open.setdefault(record.request_id, record)
        elif isinstance(record, Settled):
            held = self._open.pop(record.request_id, None)
            if held is not None:
                return row_of(held, record)
            self.damaged += 1
            log.error("journal %s: %s ended and was never held", self.folder.name, record.request_id)
        elif isinstance(record, SpendRow):
            return record
        elif isinstance(record, str):
            self.workers.add(record)
        return None

    def _follow(self) -> None:
        """Go on in the next segment, which is there before the one before it says so."""
        self.place = Place(self.place.segment + 1, HEADER.size)
        self._map()

    def _seek(self, place: Place) -> None:
        """Stand at a place, knowing what is open there."""
        self.place = Place(place.segment, HEADER.size)
        self._map()
        assert self._data is not None
        view = memoryview(self._data)
        try:
            for found in frames(view, HEADER.size):
                if found.end > place.offset:
                    break
                if isinstance(found.record, Settled):
                    self._open.pop(found.record.request_id, None)
                elif not isinstance(found.record, SpendRow):
                    self._take(found)
                self.place = Place(place.segment, found.end)
        except Torn:
            pass
        finally:
            view.release()
        if self.place.offset != max(place.offset, HEADER.size):
            raise Unreadable(
                f"{self.folder}: segment {place.segment} has no record that ends at {place.offset}"
            )

    def _restate(self) -> None:
        """Read what a segment says is open, which is all before its first other record."""
        assert self._data is not None
        view = memoryview(self._data)
        try:
            for found in frames(view, self.place.offset):
                if found.kind not in (Kind.HELD, Kind.WORKER):
                    break
                self._take(found)
                self.place = Place(self.place.segment, found.end)
        except Torn:
            pass
        finally:
            view.release()

    def _goes_on(self, number: int) -> bool:
        """Does a segment hold more than what is open here? A writer that died while it turned over has
        said that much again, and nothing else."""
        view = memoryview((self.folder / segment_name(number)).read_bytes())
        try:
            return any(
                not isinstance(found.record, str | Held)
                or (isinstance(found.record, Held) and found.record.request_id not in self._open)
                for found in frames(view, HEADER.size)
            )
        except Torn:
            return True

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("[0-9]*.journal")]

    def _map(self) -> None:
        path = self.folder / segment_name(self.place.segment)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        except ValueError as exc:
            raise Unreadable(f"{path}: it is empty") from exc
        finally:
            os.close(fd)
        if not is_header(memoryview(data), self.place.segment):
            raise Unreadable(f"{path}: it does not begin as segment {self.place.segment} does")
        if self._data is not None:
            self._data.close()
        self._data = data


def is_abandoned(folder: Path) -> bool:
    """Is its writer gone? Who asks does not hold the lock afterwards: nobody takes up a journal anew."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
