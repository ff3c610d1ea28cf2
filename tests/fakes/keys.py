"""Keys in a dict. Passes the contract of `tests/runtime/test_key_store.py`."""

from collections.abc import Iterable, Sequence

from functions.context import Caller
from schema.errors import Conflict
from schema.keys import KeyListQuery, KeyPage, KeyRecord


class FakeKeys:
    def __init__(self, records: Iterable[KeyRecord] = ()) -> None:
        self.records = {record.token: record for record in records}
        self.deleted: list[tuple[KeyRecord, str]] = []
        """Each deleted key, and the user who did it."""

    async def add(self, record: KeyRecord) -> None:
        if record.token in self.records:
            raise Conflict("key: this key exists; choose another.", param="key")
        if record.key_alias is not None and record.key_alias in self._aliases():
            raise Conflict(f"key_alias: a key named {record.key_alias!r} exists.", param="key_alias")
        self.records[record.token] = record

    async def find(self, key_hash: str) -> KeyRecord | None:
        return self.records.get(key_hash)

    async def page(self, query: KeyListQuery, *, user_id: str | None) -> KeyPage:
        found = [record for record in self.records.values() if _fits(record, query, user_id)]
        found.sort(key=lambda record: (record.created_at, record.token), reverse=True)
        first = (query.page - 1) * query.size
        return KeyPage(records=found[first : first + query.size], total=len(found))

    async def remove(self, key_hashes: Sequence[str], aliases: Sequence[str], *, by: Caller) -> list[str]:
        gone = sorted(
            token
            for token, record in self.records.items()
            if token in key_hashes or (record.key_alias is not None and record.key_alias in aliases)
        )
        for token in gone:
            self.deleted.append((self.records.pop(token), by.user_id))
        return gone

    def _aliases(self) -> set[str | None]:
        return {record.key_alias for record in self.records.values()}


def _fits(record: KeyRecord, query: KeyListQuery, user_id: str | None) -> bool:
    wanted = (
        (record.user_id, user_id),
        (record.user_id, query.user_id),
        (record.team_id, query.team_id),
        (record.key_alias, query.key_alias),
        (record.token, query.key_hash),
    )
    return all(value is None or found == value for found, value in wanted)
