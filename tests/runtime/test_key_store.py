"""The contract of the `Keys` port, kept by the fake and by Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from functions.context import Caller, Keys
from runtime.database import Database
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.key_store import KeyStore
from schema.errors import Conflict, DatabaseUnavailable, InvalidRequest
from schema.keys import KeyListQuery, KeyRecord
from tests.fakes.keys import FakeKeys

CREATED_AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ADMIN = Caller(role="proxy_admin", key_hash="f" * 64, user_id="root")
Scenario = Callable[[Keys], Awaitable[None]]


def make_record(name: str = "one", **changes: object) -> KeyRecord:
    record = KeyRecord(token=f"{name:0>64}", key_name="sk-...abcd", created_at=CREATED_AT, created_by="root")
    return msgspec.structs.replace(record, **changes)


@asynccontextmanager
async def key_store(dsn: str) -> AsyncIterator[KeyStore]:
    database = await Database.connect(dsn)
    try:
        yield KeyStore(database)
    finally:
        await database.close()


@pytest.fixture(params=["fake", "postgres"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario against an empty store."""
    dsn = request.getfixturevalue("postgres_dsn") if request.param == "postgres" else None

    async def run(scenario: Scenario) -> None:
        if dsn is None:
            await scenario(FakeKeys())
        else:
            async with key_store(dsn) as store:
                await scenario(store)

    return lambda scenario: asyncio.run(run(scenario))


def test_a_key_is_found_as_it_was_added(play: Callable[[Scenario], None]) -> None:
    record = make_record(
        key_alias="ci",
        user_id="alice",
        team_id="red",
        models=["gpt-4", 'odd "name", {x}'],
        metadata={"a": msgspec.Raw(b'{"b": [1, "\xc3\xa9", null]}')},
        expires=CREATED_AT + timedelta(days=30),
        blocked=True,
        spend_nano=123_456_789,
    )

    async def scenario(keys: Keys) -> None:
        await keys.add(record)
        found = await keys.find(record.token)
        assert found is not None
        assert msgspec.json.decode(found.metadata["a"]) == {"b": [1, "é", None]}
        assert msgspec.structs.replace(found, metadata={}) == msgspec.structs.replace(record, metadata={})
        assert await keys.find("0" * 64) is None

    play(scenario)


def test_a_hash_or_an_alias_that_exists_is_a_conflict(play: Callable[[Scenario], None]) -> None:
    async def scenario(keys: Keys) -> None:
        await keys.add(make_record("one", key_alias="ci"))
        await keys.add(make_record("two"))
        await keys.add(make_record("three"))
        with pytest.raises(Conflict) as same_key:
            await keys.add(make_record("one", key_alias="other"))
        assert same_key.value.param == "key"
        with pytest.raises(Conflict) as same_alias:
            await keys.add(make_record("four", key_alias="ci"))
        assert same_alias.value.param == "key_alias"
        assert await keys.find(make_record("four").token) is None

    play(scenario)


def test_pages_are_newest_first_and_filtered(play: Callable[[Scenario], None]) -> None:
    async def scenario(keys: Keys) -> None:
        for number in range(5):
            owner = "alice" if number % 2 else "bob"
            created_at = CREATED_AT + timedelta(seconds=number)
            await keys.add(make_record(f"{number}", user_id=owner, team_id="red", created_at=created_at))

        async def numbers(query: KeyListQuery, user_id: str | None = None) -> tuple[list[int], int]:
            page = await keys.page(query, user_id=user_id)
            return [int(record.token) for record in page.records], page.total

        assert await numbers(KeyListQuery(page=1, size=2)) == ([4, 3], 5)
        assert await numbers(KeyListQuery(page=3, size=2)) == ([0], 5)
        assert await numbers(KeyListQuery(page=4, size=2)) == ([], 5)
        assert await numbers(KeyListQuery(), user_id="alice") == ([3, 1], 2)
        assert await numbers(KeyListQuery(user_id="bob"), user_id="alice") == ([], 0)
        assert await numbers(KeyListQuery(team_id="red", user_id="bob")) == ([4, 2, 0], 3)
        assert await numbers(KeyListQuery(key_hash=make_record("2").token)) == ([2], 1)
        assert await numbers(KeyListQuery(key_alias="none")) == ([], 0)

    play(scenario)


def test_deleting_gives_the_hashes_that_went(play: Callable[[Scenario], None]) -> None:
    async def scenario(keys: Keys) -> None:
        for name, alias in (("a", None), ("b", "bee"), ("c", None)):
            await keys.add(make_record(name, key_alias=alias))
        a, b, c = (make_record(name).token for name in "abc")
        assert await keys.remove([], [], by=ADMIN) == []
        assert await keys.remove([a, "0" * 64], ["bee", "nobody"], by=ADMIN) == [a, b]
        assert await keys.remove([a], ["bee"], by=ADMIN) == []
        assert await keys.find(a) is None
        assert await keys.find(c) is not None
        await keys.add(make_record("b", key_alias="bee"))

    play(scenario)


def test_a_deleted_key_is_kept_with_who_deleted_it(postgres_dsn: str) -> None:
    async def run() -> asyncpg.Record:
        async with key_store(postgres_dsn) as store:
            await store.add(make_record("a", key_alias="ci", models=["gpt-4"], spend_nano=5))
            await store.remove([], ["ci"], by=ADMIN)
        connection = await asyncpg.connect(postgres_dsn)
        row = await connection.fetchrow('SELECT * FROM "LiteLLM_DeletedVerificationToken"')
        await connection.close()
        return row

    row = asyncio.run(run())
    assert (row["token"], row["models"], row["deleted_by"]) == (make_record("a").token, ["gpt-4"], "root")
    assert row["deleted_by_api_key"] == "f" * 64
    assert row["created_at"] == CREATED_AT.replace(tzinfo=None)


def test_text_that_postgres_can_not_hold_is_the_callers_mistake(postgres_dsn: str) -> None:
    async def run() -> None:
        async with key_store(postgres_dsn) as store:
            with pytest.raises(InvalidRequest):
                await store.add(make_record("a", key_alias="nul\0"))
            with pytest.raises(InvalidRequest):
                await store.find("nul\0")
            with pytest.raises(InvalidRequest):
                await store.remove(["\ud800"], [], by=ADMIN)

    asyncio.run(run())


def test_without_postgres_every_method_says_that_it_is_unavailable(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    dsn = server.start()

    async def run() -> None:
        database = await Database.connect(dsn)
        await database.ping()
        store = KeyStore(database)
        await asyncio.to_thread(server.stop)
        for asking in (
            store.find("a"),
            store.add(make_record()),
            store.page(KeyListQuery(), user_id=None),
            store.remove(["a"], [], by=ADMIN),
            database.ping(),
        ):
            with pytest.raises(DatabaseUnavailable):
                await asking
        await database.close()

    try:
        asyncio.run(run())
    finally:
        server.stop()
