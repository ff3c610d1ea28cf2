"""The port of values that the gateway keeps for callers. Its implementation is in `runtime/state`."""

from typing import Protocol


class State(Protocol):
    """Values of callers, sealed, each bound to its owner. They are gone after a time. Nobody else than its
    owner finds a value. Every method raises DatabaseUnavailable."""

    @property
    def is_open(self) -> bool:
        """Whether values are kept. They are not where the gateway has no salt key."""
        ...

    async def put(self, kind: str, owner: str, id: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value, in place of one with the same owner, kind and id. Raises InvalidRequest for a value
        that is too long."""
        ...

    async def get(self, kind: str, owner: str, id: str) -> bytes | None:
        """The value. None: this owner has no such value."""
        ...

    async def delete(self, kind: str, owner: str, id: str) -> bool:
        """Delete a value. False: this owner has no such value."""
        ...
