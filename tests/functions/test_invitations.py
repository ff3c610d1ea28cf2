"""Invitations and passwords, called directly."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from functions.contract.visit import Redirect, WebPage
from functions.invitations import (
    accept,
    change_password,
    delete,
    info,
    new,
    page,
    reset_password,
    update,
)
from functions.login import login
from functions.users import block
from functions.users import new as new_user
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed, SignInFailed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.invitations import InvitationFacts, InvitationMade
from schema.wire import to_json
from tests.functions.governed import VISIT, House, in_house
from tests.functions.signing_in import with_cookies

PASSWORD = "seven geese on a hill"
OTHER = "eight geese in the valley"
AS_JSON = msgspec.structs.replace(VISIT, wants_page=False)


async def invited(house: House, user_id: str = "ada") -> tuple[InvitationMade, str]:
    body = {"user_id": user_id, "user_email": f"{user_id}@deeprunner.ai", "auto_create_key": False}
    await house.call(new_user, body)
    made = await house.call(new, {"user_id": user_id})
    return made, token_of(made)


def token_of(made: InvitationMade) -> str:
    return parse_qs(urlsplit(made.url).query)["token"][0]


async def can_sign_in(house: House, password: str, name: str = "ada") -> bool:
    answer = await house.call(login, {"username": name, "password": password})
    return isinstance(answer, Redirect)


def test_an_invitation_sets_a_password_once_and_signs_in(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made, token = await invited(house)
        assert made.url.startswith("http://127.0.0.1:4000/invitation/accept?token=")
        assert 6.9 < (made.expires_at - made.created_at).total_seconds() / 86_400 < 7.1
        assert token not in repr(made)
        shown = await house.call(info, {"invitation_id": made.id})
        assert token not in to_json(shown).decode()
        form = await house.call(page, {"token": token})
        assert isinstance(form.facts, InvitationFacts)
        assert form.facts.name == "ada@deeprunner.ai"
        body = {"token": token, "password": PASSWORD, "again": PASSWORD}
        answer = await house.call(accept, body)
        assert isinstance(answer, Redirect)
        browser = with_cookies(VISIT, answer)
        caller = await house.people.sessions.caller(browser.cookies["switchgear_session"])
        assert caller is not None
        assert caller.user_id == "ada"
        assert await can_sign_in(house, PASSWORD)
        with pytest.raises(SignInFailed, match="has been used"):
            await house.call(accept, {**body, "password": OTHER, "again": OTHER})
        with pytest.raises(SignInFailed):
            await house.call(page, {"token": token})
        assert not await can_sign_in(house, OTHER)
        stored = await house.database.pool.fetch('SELECT * FROM "LiteLLM_InvitationLink"')
        assert stored[0]["is_accepted"]
        audit = await house.database.pool.fetch('SELECT * FROM "LiteLLM_AuditLog"')
        assert not any(secret in str([dict(row) for row in audit]) for secret in (token, PASSWORD, "argon2"))

    in_house(postgres_dsn, scenario)


def test_an_invitation_that_is_used_twice_at_once_counts_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        answers = await asyncio.gather(
            *(
                house.call(accept, {"token": token, "password": f"{PASSWORD} {number}"}, visit=AS_JSON)
                for number in range(4)
            ),
            return_exceptions=True,
        )
        assert [type(each) for each in answers].count(Redirect) == 1
        assert sum(isinstance(each, SignInFailed) for each in answers) == 3

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("password", "again", "says"),
    [
        ("short", None, "12 to 1024"),
        ("x" * 2000, None, "12 to 1024"),
        ("aaaaaaaaaaaaaaaa", None, "too easy"),
        ("ada@deeprunner.ai!!", None, "your own name"),
        (PASSWORD, OTHER, "differ"),
    ],
)
def test_a_bad_password_is_told_and_the_invitation_stays(
    postgres_dsn: str, password: str, again: str | None, says: str
) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        body = {"token": token, "password": password, "again": again}
        with pytest.raises(InvalidRequest, match=says):
            await house.call(accept, body, visit=AS_JSON)
        form = await house.call(accept, body)
        assert isinstance(form, WebPage)
        assert isinstance(form.facts, InvitationFacts)
        assert (form.status, says in form.facts.flaw) == (400, True)
        assert password not in str(msgspec.to_builtins(form.facts)) or password == "short"
        assert isinstance(await house.call(accept, {"token": token, "password": PASSWORD}), Redirect)

    in_house(postgres_dsn, scenario)


def test_links_that_count_no_more(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        pool = house.database.pool

        async def counts(token: str) -> bool:
            try:
                await house.call(page, {"token": token})
            except SignInFailed:
                return False
            return True

        made, token = await invited(house)
        await pool.execute("UPDATE \"LiteLLM_InvitationLink\" SET expires_at = now() - interval '1 day'")
        assert not await counts(token)
        later = await house.call(update, {"invitation_id": made.id})
        assert later.expires_at > made.created_at
        assert await counts(token)
        second = await house.call(new, {"user_id": "ada"})
        assert (await counts(token), await counts(token_of(second))) == (False, True)
        await house.call(delete, {"invitation_id": second.id})
        assert not await counts(token_of(second))
        closed = await house.call(new, {"user_id": "ada"})
        await house.call(update, {"invitation_id": closed.id, "is_accepted": True})
        assert not await counts(token_of(closed))
        last = await house.call(new, {"user_id": "ada"})
        await house.call(block, {"user_id": "ada"})
        assert not await counts(token_of(last)), "a blocked user sets a password"
        for made_up in ("", "x" * 43, "é" * 43, "x" * 5000):
            assert not await counts(made_up)
        for function in (info, update, delete):
            with pytest.raises(NotFound):
                await house.call(function, {"invitation_id": "nope"})
        with pytest.raises(NotFound):
            await house.call(new, {"user_id": "nobody"})

    in_house(postgres_dsn, scenario)


def test_a_form_of_another_site_sets_no_password(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        visit = msgspec.structs.replace(VISIT, is_same_origin=False)
        with pytest.raises(NotAllowed):
            await house.call(accept, {"token": token, "password": PASSWORD}, visit=visit)

    in_house(postgres_dsn, scenario)


async def session_of(house: House, user_id: str = "ada", password: str = PASSWORD) -> Caller:
    answer = await house.call(login, {"username": user_id, "password": password})
    assert isinstance(answer, Redirect)
    caller = await house.people.sessions.caller(answer.cookies[0].value)
    assert caller is not None
    return caller


def test_a_password_is_changed_by_who_knows_it_and_other_sessions_end(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        await house.call(accept, {"token": token, "password": PASSWORD})
        me = await session_of(house)
        await session_of(house)
        with pytest.raises(SignInFailed):
            await house.call(change_password, {"current_password": "wrong", "new_password": OTHER}, me)
        with pytest.raises(InvalidRequest):
            await house.call(change_password, {"current_password": PASSWORD, "new_password": "short"}, me)
        body = {"current_password": PASSWORD, "new_password": OTHER}
        done = await house.call(change_password, body, me)
        assert done.sessions_ended == 2
        assert (await can_sign_in(house, PASSWORD), await can_sign_in(house, OTHER)) == (False, True)
        by_key = Caller(role=INTERNAL_USER, key_hash="k" * 8, user_id="ada")
        with pytest.raises(NotAllowed):
            await house.call(change_password, body, by_key)

    in_house(postgres_dsn, scenario)


def test_guessing_ones_own_password_is_stopped_too(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        await house.call(accept, {"token": token, "password": PASSWORD})
        me = await session_of(house)
        wrong = {"current_password": "wrong", "new_password": OTHER}
        statuses = []
        for _ in range(12):
            with pytest.raises(GatewayError) as caught:
                await house.call(change_password, wrong, me)
            statuses.append(caught.value.http_status)
        assert statuses == [401] * 10 + [429] * 2

    in_house(postgres_dsn, scenario)


def test_a_reset_takes_the_password_and_the_sessions_away(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        _, token = await invited(house)
        answer = await house.call(accept, {"token": token, "password": PASSWORD})
        assert isinstance(answer, Redirect)
        made = await house.call(reset_password, {"user_id": "ada"})
        house.people.forget("all")
        assert await house.people.sessions.caller(answer.cookies[0].value) is None
        assert not await can_sign_in(house, PASSWORD)
        await house.call(accept, {"token": token_of(made), "password": OTHER})
        assert await can_sign_in(house, OTHER)

    in_house(postgres_dsn, scenario)
