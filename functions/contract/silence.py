"""What a streamed call tells of itself before its first event: that it was sent, and that its provider
works."""

from typing import Protocol


class Silence(Protocol):
    """The time until the first event of a stream. Whoever keeps the client company in it is told."""

    def sent(self) -> None:
        """An attempt goes to a provider now. The gateway's own refusals are over, except those of later
        attempts."""
        ...

    def comment(self, data: bytes) -> None:
        """The provider sent a comment."""
        ...


class Unminded:
    """Implements Silence. Nobody keeps the client company."""

    def sent(self) -> None:
        """Nothing is to be done."""

    def comment(self, data: bytes) -> None:
        """Nothing is to be done."""


UNMINDED = Unminded()
