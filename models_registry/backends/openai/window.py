"""The last bytes of a stream that were relayed to the client and are not yet counted."""

import re

import msgspec

from models_registry.backends.openai.chunks import CHUNKS, ENDS, NEXT_VALUE, ReadChoice, split_events
from models_registry.backends.openai.failures import FAILED
from models_registry.backends.openai.lengths import length_of, text_length

FINISH = b'"finish_reason":"'
NO_FINISH = (b'"', b'error"')
"""The words after FINISH of an answer that did not end (an empty one), or that failed (`error`)."""
SAID = re.compile(rb'"(?:content|reasoning_content|arguments)":"[^"]')
"""A piece that is not empty of what `length_of` counts."""
WINDOW_BYTES = 64 * 1024
"""How much of what was relayed is kept until it is counted."""
SMALL_BLOCKS = 16
SMALL_BYTES = SMALL_BLOCKS * 512
"""A stream that comes event by event is counted after so many blocks, where they are small: thousands of such
streams may be under way for hours, and each would keep WINDOW_BYTES."""


class Ended:
    """Which choices a stream had, and how they ended. A finish reason that is empty is none."""

    __slots__ = ("finished", "has_failed", "seen")

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.finished: set[int] = set()
        self.has_failed = False

    def add(self, choice: ReadChoice) -> None:
        self.seen.add(choice.index)
        if choice.finish_reason:
            self.finished.add(choice.index)
            self.has_failed = self.has_failed or choice.finish_reason == FAILED


class Window:
    """The latest blocks that were relayed and are not yet taken apart. Most streams end with the provider's
    own count and `[DONE]`, and then nobody asks for a count of ours."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0
        self._total = 0
        self._ended = Ended()
        self.is_odd = False
        """Whether some of it has another shape, so that all of its bytes were counted as text."""

    def add(self, block: bytes) -> None:
        """Whole events in the commonest spelling, each a piece of the answer."""
        size = self._size
        if size > WINDOW_BYTES or (size <= SMALL_BYTES and len(self._blocks) >= SMALL_BLOCKS):
            self._take_apart()
        self._blocks.append(block)
        self._size += len(block)

    def learn(self, choice: ReadChoice) -> None:
        """A choice of an event that was taken apart elsewhere."""
        self._total += length_of(choice.delta) if choice.delta else 0
        if choice.text:
            self._total += text_length(choice.text)
        self._ended.add(choice)

    @property
    def counted(self) -> int:
        """Bytes of all text so far."""
        self._take_apart()
        return self._total

    @property
    def has_said(self) -> bool:
        """Whether `counted` is above 0. A block in which a text stands in the commonest spelling is not taken
        apart for it."""
        return self._total > 0 or any(map(SAID.search, self._blocks)) or self.counted > 0

    @property
    def most(self) -> int:
        """At least `counted`. Blocks that are not yet taken apart count with all their bytes."""
        return self._total + self._size

    def ends_well(self) -> bool:
        """Whether it is certain, without a look at every event, that a choice has a finish reason and did not
        fail."""
        if self._ended.finished:
            return not self._ended.has_failed
        for block in reversed(self._blocks):
            at = block.rfind(FINISH)
            if at >= 0:
                return not block.startswith(NO_FINISH, at + len(FINISH))
        return False

    def looked_at(self) -> Ended:
        """How the choices of all events ended."""
        self._take_apart()
        return self._ended

    def _take_apart(self) -> None:
        blocks, self._blocks, self._size = self._blocks, [], 0
        for block in blocks:
            try:
                chunks = CHUNKS.decode_lines(NEXT_VALUE.join(split_events(block)))
            except msgspec.ValidationError:  # a delta has another shape: all bytes bound its text
                self._total += len(block)
                self.is_odd = True
                self._find_ends(block)
                continue
            for chunk in chunks:
                for choice in chunk.choices or ():
                    self.learn(choice)

    def _find_ends(self, block: bytes) -> None:
        """Learn how the choices of a block ended whose deltas have another shape."""
        try:
            chunks = ENDS.decode_lines(NEXT_VALUE.join(split_events(block)))
        except msgspec.ValidationError:
            return
        for chunk in chunks:
            for choice in chunk.choices:
                finish = str(choice.finish_reason) if choice.finish_reason else None
                self._ended.add(ReadChoice(index=choice.index, finish_reason=finish))
