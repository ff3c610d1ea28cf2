"""How much of requests' bodies a worker holds at once: counted while they are read, given back when they are
answered. What is made of a body (its fields, the provider's request) takes up to twice as much again.
"""

from schema.errors import Overloaded

RETRY_S = 1.0


class BodyRoom:
    """One a worker."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0

    def take(self, size: int) -> None:
        """Raises Overloaded, having taken nothing."""
        if self.held_bytes + size > self.max_bytes:
            raise Overloaded(
                f"The requests under way have bodies of {self.held_bytes >> 20} MiB together, and a worker "
                f"holds {self.max_bytes >> 20} MiB at most; try again.",
                retry_after_s=RETRY_S,
            )
        self.held_bytes += size

    def give_back(self, size: int) -> None:
        self.held_bytes -= size
