"""Ports for tests that need a few of them: the others are there, and fail when they are used."""

from typing import Any


class Absent:
    """In place of a port that a test does not reach."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"`{name}` of a port that this test does not give was used")


ABSENT: Any = Absent()
