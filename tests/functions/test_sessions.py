"""Sessions, called directly: listed and ended by their own people and by admins."""

import msgspec
import pytest

from functions.contract.call import MASTER_USER_ID, Caller
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN, PROXY_ADMIN_VIEWER
from functions.contract.visit import Visit
from functions.sessions import end_own, list_sessions, pgadmin, revoke
from functions.users import delete as delete_user
from functions.users import new as new_user
from schema.errors.callers import NotAllowed
from schema.errors.rows import NotFound
from schema.identity import SignInRules
from tests.functions.governed import VISIT, House, in_house
from tests.functions.signing_in import notes

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 8, user_id="ada")


async def begin(house: House, user_id: str, visit: Visit = VISIT) -> str:
    return await house.people.sessions.begin(user_id, "password", visit, SignInRules())


async def people(house: House) -> None:
    for user_id in ("ada", "bob"):
        await house.call(new_user, {"user_id": user_id, "auto_create_key": False})


async def live(house: House, *secrets: str) -> list[bool]:
    house.people.forget("all")
    return [await house.people.sessions.caller(secret) is not None for secret in secrets]


def test_everybody_sees_own_sessions_and_an_admin_all(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        agent = msgspec.structs.replace(VISIT, user_agent="Firefox " + "x" * 500)
        secrets = [await begin(house, "ada", agent), await begin(house, "bob")]
        mine = await house.call(list_sessions, by=ADA)
        assert [each.user_id for each in mine.sessions] == ["ada"]
        (shown,) = mine.sessions
        assert shown.address == "203.0.113.7"
        assert shown.user_agent is not None
        assert len(shown.user_agent) == 200
        assert not any(secret in str(mine) for secret in secrets)
        everybody = await house.call(list_sessions)
        assert (sorted(each.user_id for each in everybody.sessions), everybody.total) == (["ada", "bob"], 2)
        assert (await house.call(list_sessions, {"page_size": 1, "page": 2})).total_pages == 2
        with pytest.raises(NotFound):
            await house.call(list_sessions, {"user_id": "bob"}, ADA)

    in_house(postgres_dsn, scenario)


def test_a_key_with_the_master_keys_user_id_neither_sees_nor_ends_its_sessions(
    postgres_dsn: str,
) -> None:
    of_key = Caller(role=INTERNAL_USER, key_hash="k" * 8, user_id=MASTER_USER_ID)

    async def scenario(house: House) -> None:
        secret = await house.people.sessions.begin(MASTER_USER_ID, "master_key", VISIT, SignInRules())
        for function in (list_sessions, revoke, end_own):
            with pytest.raises(NotAllowed, match="master key"):
                await house.call(function, by=of_key)
        assert await live(house, secret) == [True]
        assert [each.user_id for each in (await house.call(list_sessions)).sessions] == [MASTER_USER_ID]
        assert (await house.call(revoke)).ended == 1

    in_house(postgres_dsn, scenario)


def test_a_caller_by_a_session_sees_which_one_it_is(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        await begin(house, "ada")
        caller = await house.people.sessions.caller(await begin(house, "ada"))
        assert caller is not None
        mine = await house.call(list_sessions, by=caller)
        assert [each.is_current for each in mine.sessions] == [True, False]

    in_house(postgres_dsn, scenario)


def test_sessions_are_ended_by_their_own_people_and_by_admins(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        first, second, bobs = (
            await begin(house, "ada"),
            await begin(house, "ada"),
            await begin(house, "bob"),
        )
        sessions = (await house.call(list_sessions)).sessions
        newest = next(each for each in sessions if each.user_id == "ada").session_id
        of_bob = next(each for each in sessions if each.user_id == "bob").session_id
        for body in ({"session_id": of_bob}, {"user_id": "bob"}):
            with pytest.raises(NotFound):
                await house.call(revoke, body, ADA)
        with pytest.raises(NotAllowed):
            await house.call(revoke, {"everybody": True}, ADA)
        assert (await house.call(revoke, {"session_id": newest}, ADA)).ended == 1
        assert await live(house, first, second, bobs) == [True, False, True]
        assert (await house.call(end_own, by=ADA)).ended == 1
        assert await live(house, first, bobs) == [False, True]
        assert (await house.call(revoke, {"session_id": of_bob})).ended == 1
        again = await begin(house, "bob")
        assert (await house.call(revoke, {"everybody": True})).ended == 1
        assert await live(house, again) == [False]
        entries = await notes(house, "session_revoked")
        assert [(each["changed_by"], each["object_id"]) for each in entries] == [
            ("ada", "ada"),
            ("ada", "ada"),
            ("default_user_id", "bob"),
            ("default_user_id", "bob"),
        ]

    in_house(postgres_dsn, scenario)


def test_a_viewer_ends_own_sessions_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        await begin(house, "ada")
        viewer = Caller(role=PROXY_ADMIN_VIEWER, key_hash="v", user_id="vic")
        assert (await house.call(list_sessions, by=viewer)).total == 1
        with pytest.raises(NotFound):
            await house.call(revoke, {"user_id": "ada"}, viewer)

    in_house(postgres_dsn, scenario)


def test_a_deleted_user_has_no_session(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        secret = await begin(house, "ada")
        await house.call(delete_user, {"user_ids": ["ada"]})
        assert await live(house, secret) == [False]
        assert (await house.call(list_sessions)).total == 0

    in_house(postgres_dsn, scenario)


def test_a_user_has_no_more_than_fifty_sessions(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await people(house)
        first = await begin(house, "ada")
        for _ in range(50):
            await begin(house, "ada")
        assert (await house.call(list_sessions)).total == 50
        assert await live(house, first) == [False]

    in_house(postgres_dsn, scenario)


def test_an_admin_by_session_may_open_pgadmin_and_the_first_time_is_audited(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        root = Caller(role=PROXY_ADMIN, key_hash="session:of-root", user_id="root")
        for _ in range(3):
            assert (await house.call(pgadmin, by=root)).user_id == "root"
        (entry,) = await notes(house, "pgadmin_opened")
        assert (entry["changed_by"], entry["object_id"]) == ("root", "root")
        assert "of-root" in entry["updated_values"]
        another = Caller(role=PROXY_ADMIN, key_hash="session:another", user_id="root")
        await house.call(pgadmin, by=another)
        assert len(await notes(house, "pgadmin_opened")) == 2

    in_house(postgres_dsn, scenario)


def test_a_key_opens_no_pgadmin(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(NotAllowed, match="session"):
            await house.call(pgadmin)
        assert await notes(house, "pgadmin_opened") == []

    in_house(postgres_dsn, scenario)
