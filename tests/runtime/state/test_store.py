"""What the gateway keeps for callers, in a real Postgres, and the same of the fake. What a stranger, another
salt key and time do to it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from functions import keys
from functions.ports.state import State
from runtime.postgres import purging
from runtime.postgres.database import Database
from runtime.state import store as store_module
from runtime.state.salt_check import OtherSaltKey, check_salt
from runtime.state.sealing import Sealer
from runtime.state.store import StateStore
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest
from schema.secret import Secret
from tests.conftest import execute
from tests.fakes.state import FakeState
from tests.functions.governed import House, in_house

T = TypeVar("T")
SALT = Secret("sk-a-salt-key-of-some-length")
OTHER = Secret("sk-another-salt-key-of-length")
LONG = bytes(range(256)) * 4096


def with_store(dsn: str, scenario: Callable[[StateStore], Awaitable[T]], salt: Secret | None = SALT) -> T:
    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            return await scenario(StateStore(database, None if salt is None else Sealer(salt)))
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize("fake", [True, False])
def test_a_value_is_its_owners_alone(postgres_dsn: str, fake: bool) -> None:
    async def scenario(store: State) -> None:
        assert store.is_open
        await store.put("response", "a", "r1", b"one", ttl_s=60)
        await store.put("response", "a", "r2", LONG, ttl_s=60)
        await store.put("response", "b", "r1", b"hers", ttl_s=60)
        assert await store.get("response", "a", "r1") == b"one"
        assert await store.get("response", "a", "r2") == LONG
        assert await store.get("response", "b", "r1") == b"hers"
        assert await store.get("response", "b", "r2") is None
        assert await store.get("other", "a", "r1") is None
        await store.put("response", "a", "r1", b"two", ttl_s=60)
        assert await store.get("response", "a", "r1") == b"two"
        assert not await store.delete("response", "b", "r2")
        assert await store.delete("response", "a", "r1")
        assert not await store.delete("response", "a", "r1")
        assert await store.get("response", "a", "r1") is None
        assert await store.get("response", "b", "r1") == b"hers"

    if fake:
        asyncio.run(scenario(FakeState()))
    else:
        with_store(postgres_dsn, scenario)


def test_nothing_readable_stands_in_the_database(postgres_dsn: str) -> None:
    async def scenario(store: StateStore) -> bytes:
        await store.put("response", "a", "r1", b"a secret prompt" * 9, ttl_s=60)
        async with store._database.connection() as connection:
            found: bytes = await connection.fetchval('SELECT sealed FROM "Switchgear_State"')
        return found

    sealed = with_store(postgres_dsn, scenario)
    assert b"secret" not in sealed


def test_a_row_that_was_moved_or_is_of_another_salt_key_is_an_error(postgres_dsn: str) -> None:
    async def put(store: StateStore) -> None:
        await store.put("response", "a", "r1", b"x", ttl_s=60)

    async def get(store: StateStore, owner: str = "a") -> None:
        with pytest.raises(GatewayError, match="can't be opened"):
            await store.get("response", owner, "r1")

    with_store(postgres_dsn, put)
    with_store(postgres_dsn, get, OTHER)
    execute(postgres_dsn, """UPDATE "Switchgear_State" SET owner = 'b'""")
    with_store(postgres_dsn, lambda store: get(store, "b"))


def test_what_is_over_is_not_found_and_is_deleted(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "PURGED_AT_ONCE", 2)

    async def scenario(store: StateStore) -> int:
        for number in range(5):
            await store.put("response", "a", f"old{number}", b"x", ttl_s=-1)
        await store.put("response", "a", "new", b"x", ttl_s=60)
        assert await store.get("response", "a", "old1") is None
        assert not await store.delete("response", "a", "old1")
        await store.purge()
        async with store._database.connection() as connection:
            count: int = await connection.fetchval('SELECT count(*) FROM "Switchgear_State"')
        return count

    assert with_store(postgres_dsn, scenario) == 1


def test_a_value_that_is_too_long_is_refused(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_VALUE_BYTES", 10)

    async def scenario(store: StateStore) -> None:
        with pytest.raises(InvalidRequest, match="11 bytes"):
            await store.put("response", "a", "r", b"x" * 11, ttl_s=60)

    with_store(postgres_dsn, scenario)


def test_without_a_salt_key_nothing_is_kept(postgres_dsn: str) -> None:
    async def scenario(store: StateStore) -> None:
        assert not store.is_open
        with pytest.raises(GatewayError):
            await store.put("response", "a", "r", b"x", ttl_s=60)

    with_store(postgres_dsn, scenario, salt=None)


def test_a_database_that_is_away_is_told(postgres_dsn: str) -> None:
    async def scenario(store: StateStore) -> None:
        await store._database.close()
        with pytest.raises(DatabaseUnavailable):
            await store.get("response", "a", "r")
        with pytest.raises(DatabaseUnavailable):
            await store.put("response", "a", "r", b"x", ttl_s=60)
        with pytest.raises(DatabaseUnavailable, match="a moment ago"):
            await store.put("response", "a", "r", b"x", ttl_s=60)

    with_store(postgres_dsn, scenario)


def test_what_a_key_owns_goes_with_the_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> list[bytes | None]:
        store = StateStore(house.database, Sealer(SALT))
        made = [await house.call(keys.generate, {}) for _ in range(2)]
        async with house.database.connection() as connection:
            rows = await connection.fetch(
                'SELECT key_id FROM "LiteLLM_VerificationToken" WHERE token = ANY ($1) ORDER BY token = $2',
                [each.token for each in made],
                made[1].token,
            )
        owners = [row["key_id"] for row in rows]
        for owner in owners:
            await store.put("response", owner, "r", b"x", ttl_s=60)
        await house.call(keys.delete, {"keys": [made[0].key]})
        return [await store.get("response", owner, "r") for owner in owners]

    assert in_house(postgres_dsn, scenario) == [None, b"x"]


def test_a_start_with_another_salt_key_is_refused(postgres_dsn: str) -> None:
    for _ in range(2):
        asyncio.run(check_salt(postgres_dsn, SALT))
    with pytest.raises(OtherSaltKey, match="SWITCHGEAR_SALT_KEY") as refused:
        asyncio.run(check_salt(postgres_dsn, OTHER))
    assert OTHER.reveal() not in str(refused.value)
    asyncio.run(check_salt(postgres_dsn, SALT))
