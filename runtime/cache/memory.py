"""Answers in the memory of one worker: bounded by number and bytes, and gone after a time."""

import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from functions.ports.cache import KeptAnswer

ENTRY_BYTES = 600
"""About what an entry takes beside its body: the key, the objects, its place in the table."""


class _InMemory(msgspec.Struct, frozen=True):
    answer: KeptAnswer
    until_mono: float

    @property
    def size(self) -> int:
        return len(self.answer.body) + ENTRY_BYTES


class MemoryCache:
    """The answer that was not asked for longest leaves first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _InMemory] = OrderedDict()
        self._max_entries = self._max_bytes = 0
        self.size = 0
        """The bytes of all entries."""

    def __len__(self) -> int:
        return len(self._entries)

    def bound(self, *, max_entries: int, max_bytes: int) -> None:
        """Keep so much at most from now on."""
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._shrink()

    def get(self, key: str) -> KeptAnswer | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until_mono <= self._clock():
            self.delete(key)
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def put(self, key: str, answer: KeptAnswer, *, ttl_s: float) -> None:
        self.delete(key)
        entry = _InMemory(answer, self._clock() + ttl_s)
        if entry.size > self._max_bytes:
            return
        self._entries[key] = entry
        self.size += entry.size
        self._shrink()

    def delete(self, key: str) -> bool:
        """False: there was no such answer."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.size -= entry.size
        return True

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0

    def _shrink(self) -> None:
        while len(self._entries) > self._max_entries or self.size > self._max_bytes:
            _, entry = self._entries.popitem(last=False)
            self.size -= entry.size
