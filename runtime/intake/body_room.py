"""Limits how many bytes of request bodies a worker holds at once.

A body is counted while it is read, and given back when its request is answered. A stored conversation that a
call goes on with counts as a body. What is made of a body (its
fields, the provider's request) takes up to twice the body's bytes in addition.
"""

from schema.errors.overload import Overloaded

RETRY_S = 1.0


class BodyRoom:
    """The room for request bodies, in bytes. Each worker has one."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0

    def take(self, size: int) -> None:
        """Take `size` bytes of the room. Raises Overloaded where there is not enough; nothing is taken
        then."""
        if self.held_bytes + size > self.max_bytes:
            raise Overloaded(
                f"The requests under way have bodies of {self.held_bytes >> 20} MiB together, and a worker "
                f"holds {self.max_bytes >> 20} MiB at most; try again.",
                retry_after_s=RETRY_S,
            )
        self.held_bytes += size

    def give_back(self, size: int) -> None:
        self.held_bytes -= size


class HeldRoom:
    """What one request holds of the room."""

    __slots__ = ("_held_bytes", "_room")

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._held_bytes = 0

    def take(self, size: int) -> None:
        """Take `size` bytes more. Raises Overloaded."""
        self._room.take(size)
        self._held_bytes += size

    def give_back(self) -> None:
        """Give all of it back: the request is over."""
        self._room.give_back(self._held_bytes)
        self._held_bytes = 0
