"""A value that runs out, and is fetched again before it does: a token, or keys for some hours."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
EARLY_S = 300.0
"""So long before its end a value is fetched again, while calls go on with it."""
MAX_FILE_BYTES = 64 * 1024
PAUSE_S = 5.0
"""The least time between two attempts of which the first failed."""


async def text_in(path: str) -> str:
    """A small file that somebody else keeps fresh, such as a token. Raises OSError and UnicodeDecodeError."""
    return await asyncio.to_thread(_read, path)


def _read(path: str) -> str:
    with Path(path).open("rb") as file:
        return file.read(MAX_FILE_BYTES).decode().strip()


class Unsigned(Exception):
    """There is no credential. The message says why in a few words, without a secret."""


class Lasting(NamedTuple, Generic[T]):
    """A value, and for how long it holds."""

    value: T
    for_s: float


class Fresh(Generic[T]):
    """One value for all calls of a worker. Calls that come while it is fetched wait for one and the same
    answer."""

    def __init__(self, fetch: Callable[[], Awaitable[Lasting[T]]]) -> None:
        """`fetch` raises Unsigned."""
        self._fetch = fetch
        self._held: Lasting[T] | None = None
        self._until_mono = 0.0
        self._task: asyncio.Task[T] | None = None
        self._failed: Unsigned | None = None
        self._failed_mono = 0.0

    async def get(self) -> T:
        """The value. Raises Unsigned."""
        now_mono = monotonic()
        held = self._held
        if held is not None and now_mono < self._until_mono:
            if now_mono >= self._until_mono - min(EARLY_S, held.for_s / 2):
                self._begin(now_mono)
            return held.value
        task = self._begin(now_mono)
        if task is None:
            assert self._failed is not None, "an attempt failed a moment ago"
            raise Unsigned(str(self._failed))
        return await asyncio.shield(task)

    def _begin(self, now_mono: float) -> "asyncio.Task[T] | None":
        """The fetch under way, or a new one. None: the last one failed a moment ago."""
        if self._task is not None:
            return self._task
        if self._failed is not None and now_mono < self._failed_mono + PAUSE_S:
            return None
        self._task = asyncio.get_running_loop().create_task(self._fetched(), name="credential")
        self._task.add_done_callback(_seen)
        return self._task

    async def _fetched(self) -> T:
        try:
            held = await self._fetch()
        except Unsigned as exc:
            self._failed, self._failed_mono = Unsigned(str(exc)), monotonic()
            raise
        finally:
            self._task = None
        self._held, self._until_mono = held, monotonic() + held.for_s
        self._failed = None
        return held.value


def _seen(task: "asyncio.Task[T]") -> None:
    """Take the error of a fetch that nobody waits for."""
    if not task.cancelled():
        task.exception()
