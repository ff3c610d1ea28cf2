"""The `State` port in memory, without any sealing. It passes `tests/runtime/state/test_store.py`, as the real
one does."""

from schema.errors.base import GatewayError


class FakeState:
    """`values` has what is kept, by kind, owner and id."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.values: dict[tuple[str, str, str], bytes] = {}
        self.refuses: GatewayError | None = None
        """What `put` raises."""

    async def put(self, kind: str, owner: str, id: str, value: bytes, *, ttl_s: float) -> None:
        assert self.is_open
        if self.refuses is not None:
            raise self.refuses
        self.values[kind, owner, id] = value

    async def get(self, kind: str, owner: str, id: str) -> bytes | None:
        assert self.is_open
        return self.values.get((kind, owner, id))

    async def delete(self, kind: str, owner: str, id: str) -> bool:
        return self.values.pop((kind, owner, id), None) is not None
