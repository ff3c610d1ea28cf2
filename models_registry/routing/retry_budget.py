"""A budget of retries, so that a failing provider is not asked several times as often as a healthy one. Pure.

Each call adds a part of a retry (`share`), and time adds `per_s` of them each second. Each retry takes one.
The budget is full at `most`. A bucket of this kind is Finagle's `RetryBudget`.
"""

import msgspec


class RetryBudget(msgspec.Struct, kw_only=True):
    """The budget of one worker, for the retries of all models."""

    share: float = 0.2
    per_s: float = 10.0
    most: float = 100.0
    left: float = 100.0
    at: float = 0.0
    """When time last added to it."""

    def call(self, now: float) -> None:
        """A call begins."""
        self._add(self.share, now)

    def take(self, now: float) -> bool:
        """Take one retry. False: there is none left."""
        self._add(0.0, now)
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True

    def full(self, now: float) -> bool:
        self._add(0.0, now)
        return self.left >= self.most

    def _add(self, more: float, now: float) -> None:
        waited_s = max(0.0, now - self.at) if self.at else 0.0
        self.left = min(self.most, self.left + more + waited_s * self.per_s)
        self.at = now
