"""Calls that wait for a slot, by team: the teams take turns, and one that floods waits behind itself.

Pure. The queue is bounded. Where it is full, a call of a team with fewer calls in it takes the place of the
last call of the team with the most.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[str, deque[T]] = {}
        """The teams, in the order of their turns. Each has a call."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def enter(self, team: str, call: T, *, first: bool = False) -> T | None:
        """Let a call in, at the end of its team's line or as its `first`. Gives the call that has to go for
        it: another team's last one, or the call itself where the queue is full of calls like it. None: no
        call has to go."""
        out: T | None = None
        if self._size >= self._most:
            crowd = max(self._lines, key=lambda name: len(self._lines[name]))
            if len(self._lines[crowd]) <= len(self._lines.get(team, ())) + 1 - first:
                return call
            out = self._lines[crowd].pop()
            self._gone(crowd)
        line = self._lines.setdefault(team, deque())
        if first:
            line.appendleft(call)
            self._lines = {team: line} | self._lines
        else:
            line.append(call)
        self._size += 1
        return out

    def __iter__(self) -> Iterator[T]:
        """All calls, team by team."""
        return (call for line in self._lines.values() for call in line)

    def next(self, fits: Callable[[T], bool] = lambda call: True) -> T | None:
        """Take out the first call in turn that fits. Its team's next turn comes after those of the others. A
        call that does not fit keeps its place, and keeps nobody else from going."""
        for team, line in self._lines.items():
            call = next(filter(fits, line), None)
            if call is not None:
                del self._lines[team]
                line.remove(call)
                self._size -= 1
                if line:
                    self._lines[team] = line
                return call
        return None

    def leave(self, team: str, call: T) -> bool:
        """A call goes before its turn. False: it is not in the queue."""
        line = self._lines.get(team)
        if line is None or call not in line:
            return False
        line.remove(call)
        self._gone(team)
        return True

    def position(self, team: str, call: T) -> int:
        """How many calls come before this one, as the queue is now. A call that is not in it: all of them."""
        line = self._lines.get(team)
        if line is None or call not in line:
            return self._size
        place = line.index(call)
        names = list(self._lines)
        turn = names.index(team)
        before = place
        for number, name in enumerate(names):
            if name != team:
                before += min(len(self._lines[name]), place + (number < turn))
        return before

    def _gone(self, team: str) -> None:
        self._size -= 1
        if not self._lines[team]:
            del self._lines[team]
