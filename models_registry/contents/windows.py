"""A stream that somebody reads before its client does, one window after another. Pure.

The events of a stream are held back until so many characters of text have come, and then read together. A few
characters stay held back when a window is let through, so that what begins in one window and ends in the next
is read whole before any of it is sent: a phrase is never cut in two. Where a stream has several answers
(`n`), each has its own characters held back until it is over.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from models_registry.contents.leaves import Kind, Leaf, without_repeated
from models_registry.contents.texts import decoded, walked
from models_registry.turns.sse import DONE_DATA, event_frame, events, frame

Channel = tuple[object, ...]
"""Where the pieces of one text stand, event after event: the answer's number, the field, the tool."""
AnswerPlace = tuple[object, ...]
"""The answer that a text belongs to, of several in one stream."""
_NUMBERS = ("type", "output_index", "content_index", "summary_index", "index", "item_id")
CHOICES = "choices"
MAX_HELD_BYTES = 16 * 1024 * 1024
"""The most bytes that are held back."""


class HeldTooMuch(Exception):
    """A window has more bytes than are ever held back."""


class _HeldEvent:
    """One event that is held back."""

    __slots__ = ("lanes", "leaves", "name", "raw", "value")

    def __init__(self, raw: bytes, name: str | None, value: Any, found: list[tuple[Channel, Leaf]]) -> None:
        self.raw = raw
        self.name = name
        self.value = value
        self.hold(found)

    def hold(self, found: list[tuple[Channel, Leaf]]) -> None:
        """These are the texts in the event."""
        self.leaves = found
        self.lanes: Counter[AnswerPlace] = Counter()
        """How many characters of each answer it has."""
        for _, leaf in found:
            self.lanes[_lane(leaf)] += len(leaf.text)

    @property
    def chars(self) -> int:
        return self.lanes.total()

    def changed(self) -> None:
        """Write the event anew."""
        without_repeated(self.value)
        data = msgspec.json.encode(self.value)
        self.raw = frame(data) if self.name is None else event_frame(self.name.encode(), data)


class StreamWindow:
    """The events of a stream that nobody was sent yet."""

    def __init__(self, *, window_chars: int, held_chars: int) -> None:
        """A window has so many characters. `held_chars` stay held back when it is let through."""
        self._window_chars = window_chars
        self._held_chars = held_chars
        self._held: deque[_HeldEvent] = deque()
        self._lanes: Counter[AnswerPlace] = Counter()
        """How many characters of each answer are held back."""
        self._over: set[AnswerPlace] = set()
        self._read = 0
        """How many of the events that are held back were read."""
        self._unread_chars = self._bytes = 0

    def feed(self, block: bytes) -> None:
        """Take whole events. Raises Unreadable for one that holds no JSON, and HeldTooMuch."""
        for event in events(block):
            if event.data is None or event.data == DONE_DATA:
                held = _HeldEvent(event.raw, None, None, [])
            else:
                value = decoded(event.data)
                held = _HeldEvent(event.raw, event.name, value, list(_texts(value)))
                self._over.update(_ended(value))
            self._held.append(held)
            self._lanes.update(held.lanes)
            self._unread_chars += held.chars
            self._bytes += len(held.raw)
        if self._bytes > MAX_HELD_BYTES:
            raise HeldTooMuch

    @property
    def is_full(self) -> bool:
        """Whether a whole window is there that nobody has read."""
        return self._unread_chars >= self._window_chars

    @property
    def has_unread(self) -> bool:
        return self._unread_chars > 0

    @property
    def texts(self) -> list[str]:
        """The texts that are held back, each as far as it has come."""
        return ["".join(leaf.text for leaf in found) for found in self._channels().values()]

    def read(self, texts: Sequence[str] | None) -> bool:
        """Somebody has read the window. `texts` stand in place of those in it; None: they are as they were.
        True where they changed something."""
        self._unread_chars = 0
        self._read = len(self._held)
        if texts is None:
            return False
        touched: set[int] = set()
        for found, text in zip(self._channels().values(), texts, strict=True):
            if text != "".join(leaf.text for leaf in found):
                self._put(found, text)
                touched.update(id(leaf) for leaf in found)
        if not touched:
            return False
        for held in self._held:
            if any(id(leaf) in touched for _, leaf in held.leaves):
                held.hold([(channel, _again(leaf)) for channel, leaf in held.leaves])
                held.changed()
        self._lanes = Counter()
        for held in self._held:
            self._lanes.update(held.lanes)
        self._bytes = sum(len(held.raw) for held in self._held)
        return True

    def let_through(self) -> bytes:
        """The events that may be sent now that the window was read."""
        return self._first(self._held_chars)

    def rest(self) -> bytes:
        """All that is held back: the stream is over, and was read to its end."""
        return self._first(0)

    def judged(self) -> bytes:
        """The events that somebody has read, and none after them: the stream has broken off."""
        return b"".join([self._taken() for _ in range(self._read)])

    def _first(self, keep_chars: int) -> bytes:
        out = []
        while self._held and all(
            self._lanes[lane] - chars >= keep_chars or lane in self._over or not chars
            for lane, chars in self._held[0].lanes.items()
        ):
            out.append(self._taken())
        return b"".join(out)

    def _taken(self) -> bytes:
        held = self._held.popleft()
        self._read = max(0, self._read - 1)
        self._lanes.subtract(held.lanes)
        self._bytes -= len(held.raw)
        return held.raw

    def _channels(self) -> dict[Channel, list[Leaf]]:
        found: dict[Channel, list[Leaf]] = {}
        for held in self._held:
            for channel, leaf in held.leaves:
                found.setdefault(channel, []).append(leaf)
        return found

    def _put(self, found: list[Leaf], text: str) -> None:
        """Put a text in the place of its pieces: its end goes to the last one, which may be held back."""
        cut = len(text) - self._held_chars if len(found) > 1 and len(text) > self._held_chars else 0
        for leaf in found:
            leaf.put("")
        if cut:
            found[0].put(text[:cut])
        found[-1].put(text[cut:])


def _again(leaf: Leaf) -> Leaf:
    return leaf._replace(text=str(leaf.holder[leaf.key]))


def _texts(value: Any) -> list[tuple[Channel, Leaf]]:  # any JSON
    """The texts of an event, each with its channel."""
    place: tuple[object, ...] = ()
    if isinstance(value, dict):
        place = tuple(told for name in _NUMBERS if isinstance(told := value.get(name), (str, int)))
    return [((*place, *leaf.path), leaf) for leaf in walked(value) if leaf.kind is Kind.TEXT and leaf.text]


def _lane(leaf: Leaf) -> AnswerPlace:
    return leaf.path[:2] if leaf.path[0] == CHOICES else ()


def _ended(value: Any) -> list[AnswerPlace]:  # any JSON
    """The answers that an event says are over."""
    choices = value.get(CHOICES) if isinstance(value, dict) else None
    if not isinstance(choices, list):
        return []
    return [
        (CHOICES, each.get("index"))
        for each in choices
        if isinstance(each, dict) and isinstance(each.get("finish_reason"), str)
    ]
