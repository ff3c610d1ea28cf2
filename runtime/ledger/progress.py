"""How much of a journal is in Postgres: a few bytes that its writer and its bookkeeper share.

For the writer's sake alone, which counts what waits by it; where to go on after a death is in Postgres.
"""

import mmap
import os
import struct
from pathlib import Path

PROGRESS = "progress"
_PLACES = struct.Struct("<QQ")
"""Rows booked, and the segment that is being read."""


class Progress:
    """Mapped by both sides; a value is eight aligned bytes."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    @classmethod
    def made(cls, path: Path) -> "Progress":
        """A new one, of a new journal."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, _PLACES.size)
            return cls(mmap.mmap(fd, _PLACES.size))
        finally:
            os.close(fd)

    @classmethod
    def of(cls, path: Path) -> "Progress":
        """The progress of a journal that exists. A file that was never synced may be empty: then nothing
        counts as booked."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < _PLACES.size:
                os.ftruncate(fd, _PLACES.size)
            return cls(mmap.mmap(fd, _PLACES.size))
        finally:
            os.close(fd)

    @property
    def rows(self) -> int:
        return int(_PLACES.unpack_from(self._data)[0])

    @property
    def segment(self) -> int:
        return int(_PLACES.unpack_from(self._data)[1])

    def put(self, rows: int, segment: int) -> None:
        """So many rows are booked in all, and reading has come to this segment."""
        _PLACES.pack_into(self._data, 0, rows, segment)

    def close(self) -> None:
        self._data.close()
