"""The gateway's own sign-in pages, called directly: the master key, passwords, `/ui`, signing out."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from functions.contract.call import MASTER_USER_ID
from functions.contract.visit import Redirect, Visit, WebPage
from functions.invitations import accept
from functions.invitations import new as invite
from functions.login import login, logout, page, ui
from functions.rules.sign_in_rules import return_path
from functions.users import block
from functions.users import new as new_user
from runtime.reply import page_reply
from schema.errors.callers import NotAllowed, SignInFailed
from schema.login import HomeFacts, SignInFacts
from tests.fakes.entra import Entra
from tests.functions.governed import MASTER_KEY, VISIT, House, in_house
from tests.functions.signing_in import furnished, notes, sign_in, with_cookies

PASSWORD = "seven geese on a hill"
MASTER = {"username": "admin", "password": MASTER_KEY.reveal()}


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


async def with_password(house: House, user_id: str = "ada", password: str = PASSWORD) -> None:
    body = {"user_id": user_id, "user_email": f"{user_id}@deeprunner.ai", "auto_create_key": False}
    await house.call(new_user, body)
    await house.people.passwords._passwords.set(user_id, password)


async def signed_in(house: House, body: dict[str, str], visit: Visit = VISIT) -> Visit:
    answer = await house.call(login, body, visit=visit)
    assert isinstance(answer, Redirect), answer
    return with_cookies(visit, answer)


def test_the_master_key_opens_a_session_of_an_admin_and_stands_in_the_audit_log(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for name in ("admin", "", "Admin"):
            browser = await signed_in(house, {**MASTER, "username": name})
            caller = await house.people.sessions.caller(browser.cookies["switchgear_session"])
            assert caller is not None
            assert (caller.role, caller.user_id) == ("proxy_admin", MASTER_USER_ID)
        entries = await notes(house, "signed_in")
        assert len(entries) == 3
        assert "master_key" in entries[0]["updated_values"]
        assert MASTER_KEY.reveal() not in str(entries)

    in_house(postgres_dsn, scenario)


def test_a_session_of_the_master_key_is_over_with_another_master_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        browser = await signed_in(house, MASTER)
        await house.database.pool.execute("UPDATE \"Switchgear_Session\" SET provider = 'of another key'")
        house.people.forget("all")
        assert await house.people.sessions.caller(browser.cookies["switchgear_session"]) is None

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("name", ["ada", "ada@deeprunner.ai", "ADA@deeprunner.ai"])
def test_a_password_opens_a_session_of_its_user(postgres_dsn: str, name: str) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        browser = await signed_in(house, {"username": name, "password": PASSWORD, "return_to": "/docs"})
        caller = await house.people.sessions.caller(browser.cookies["switchgear_session"])
        assert caller is not None
        assert (caller.user_id, caller.role) == ("ada", "internal_user")

    in_house(postgres_dsn, scenario)


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer_for_the_same_work(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        await with_password(house, "blocked")
        await house.call(block, {"user_id": "blocked"})
        await house.call(new_user, {"user_id": "without", "auto_create_key": False})
        checked: list[str] = []
        store = house.people.passwords._passwords
        in_turn = store._in_turn

        async def counted(do, hashed, password):  # type: ignore[no-untyped-def]
            checked.append(do.__name__)
            return await in_turn(do, hashed, password)

        store._in_turn = counted  # type: ignore[method-assign]
        pages = []
        tries = [("ada", "wrong"), ("nobody", PASSWORD), ("blocked", PASSWORD), ("without", PASSWORD)]
        for name, password in tries:
            answer = await house.call(login, {"username": name, "password": password})
            assert isinstance(answer, WebPage)
            assert isinstance(answer.facts, SignInFacts)
            pages.append((answer.status, msgspec.structs.replace(answer.facts, username="")))
        assert len({msgspec.json.encode(each) for each in pages}) == 1, pages
        assert pages[0][0] == 401
        assert checked == ["_is_right"] * 4, "somebody's password was not compared"
        failures = await notes(house, "sign_in_failed")
        assert len(failures) == 4
        assert PASSWORD not in str(failures)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("username", ["admin", "ada"])
def test_guessing_is_stopped_and_the_right_one_is_not_let_in_meanwhile(
    postgres_dsn: str, username: str
) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        wrong = {"username": username, "password": "wrong"}
        answers = await asyncio.gather(*(house.call(login, wrong) for _ in range(14)))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [401] * 10 + [429] * 4, "tries that come at once pass together"
        right = MASTER if username == "admin" else {"username": "ada", "password": PASSWORD}
        stopped = await house.call(login, right)
        assert isinstance(stopped, WebPage)
        assert stopped.status == 429
        assert stopped.retry_after_s is not None
        assert 200 < stopped.retry_after_s <= 302
        await house.database.pool.execute(
            "UPDATE \"Switchgear_Throttle\" SET until = now(), since = now() - interval '1h'"
        )
        assert isinstance(await house.call(login, right), Redirect)

    in_house(postgres_dsn, scenario)


def test_an_address_is_stopped_whatever_names_it_tries_and_others_are_not(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        for number in range(10):
            await house.call(login, {"username": f"guess-{number}", "password": "wrong"})
        assert (await house.call(login, {"username": "guess", "password": "x"})).status == 429
        elsewhere = msgspec.structs.replace(VISIT, address="198.51.100.1")
        await signed_in(house, {"username": "ada", "password": PASSWORD}, elsewhere)
        stopped = await house.call(login, {"username": "ada", "password": PASSWORD})
        assert stopped.status == 429, "somebody who signs in elsewhere frees the address"
        network = [msgspec.structs.replace(VISIT, address=f"2001:db8::{n:x}") for n in range(1, 12)]
        for visit in network[:10]:
            await house.call(login, {"username": f"of-{visit.address}", "password": "wrong"}, visit=visit)
        assert (await house.call(login, MASTER, visit=network[10])).status == 429

    in_house(postgres_dsn, scenario)


def test_signing_in_right_many_times_is_no_guessing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for _ in range(25):
            await signed_in(house, MASTER)

    in_house(postgres_dsn, scenario)


def test_the_master_key_can_be_switched_off(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        from tests.functions.governed import people_of

        parts = people_of(
            house.database, house.announced.append, general={"disable_env_credential_login": True}
        )
        house.give(signin=parts.desk)
        answer = await house.call(login, MASTER)
        assert isinstance(answer, WebPage)
        assert isinstance(answer.facts, SignInFacts)
        assert (answer.status, answer.facts.master_key) == (401, False)

    in_house(postgres_dsn, scenario)


def test_passwords_are_off_where_a_provider_is_set_up_unless_they_are_wanted(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        right = {"username": "ada", "password": PASSWORD}
        furnished(house, entra)
        refused = await house.call(login, right)
        assert isinstance(refused, WebPage)
        assert isinstance(refused.facts, SignInFacts)
        assert "switched off" in refused.facts.failure
        furnished(house, None, env={"MICROSOFT_CLIENT_ID": "a provider without its secret"})
        assert isinstance(await house.call(login, right), WebPage), "a broken provider let passwords in"
        furnished(house, entra, password_login=True)
        await signed_in(house, right)

    in_house(postgres_dsn, scenario)


def test_a_form_of_another_site_signs_nobody_in(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        visit = msgspec.structs.replace(VISIT, is_same_origin=False)
        with pytest.raises(NotAllowed):
            await house.call(login, MASTER, visit=visit)
        browser = await signed_in(house, MASTER)
        with pytest.raises(NotAllowed):
            await house.call(logout, visit=msgspec.structs.replace(browser, is_same_origin=False))
        with pytest.raises(NotAllowed):
            await house.call(logout, {"csrf": "made up"}, visit=browser)

    in_house(postgres_dsn, scenario)


def test_a_program_gets_an_error_in_place_of_a_page(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        visit = msgspec.structs.replace(VISIT, wants_page=False)
        with pytest.raises(SignInFailed):
            await house.call(login, {"username": "admin", "password": "wrong"}, visit=visit)

    in_house(postgres_dsn, scenario)


def test_ui_goes_to_the_provider_at_once_or_shows_a_button(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        assert await house.call(ui) == Redirect(to="/login")
        furnished(house, entra)
        assert await house.call(ui) == Redirect(to="/sso/key/generate")
        for off in ({"env": {"AUTO_REDIRECT_UI_LOGIN_TO_SSO": "false"}}, {"auto_redirect": False}):
            furnished(house, entra, **off)
            assert await house.call(ui) == Redirect(to="/login")
        shown = await house.call(page, {"return_to": "/docs"})
        assert isinstance(shown.facts, SignInFacts)
        (choice,) = shown.facts.providers
        assert choice.label == "Continue with Microsoft"
        assert choice.address == "/sso/key/generate?provider=microsoft&return_to=%2Fdocs"

    in_house(postgres_dsn, scenario)


def test_after_signing_out_the_session_is_over_and_the_provider_is_told(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, _ = await sign_in(house, entra)
        home = await house.call(ui, visit=browser)
        assert isinstance(home, WebPage)
        assert isinstance(home.facts, HomeFacts)
        left = await house.call(logout, {"csrf": home.facts.csrf}, visit=browser)
        assert isinstance(left, WebPage)
        assert left.then.startswith(f"{entra.issuer.removesuffix('/v2.0')}/oauth2/v2.0/logout?client_id=")
        assert "post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A4000%2Flogin" in left.then
        assert left.cookies[0].max_age_s == 0
        assert isinstance(await house.call(ui, visit=browser), Redirect), "a stolen cookie goes on"
        assert len(await notes(house, "signed_out")) == 1
        again = await house.call(logout, visit=browser)
        assert isinstance(again, Redirect)

    in_house(postgres_dsn, scenario)


def test_a_session_ends_when_nobody_uses_it_and_at_last_in_any_case(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for column, by in (("seen_at", "1 hour 1 second"), ("expires_at", "12 hours 1 second")):
            browser = await signed_in(house, MASTER)
            secret = browser.cookies["switchgear_session"]
            assert await house.people.sessions.caller(secret) is not None
            await house.database.pool.execute(
                f"UPDATE \"Switchgear_Session\" SET {column} = {column} - interval '{by}'"
            )
            house.people.forget("all")
            assert await house.people.sessions.caller(secret) is None, column

    in_house(postgres_dsn, scenario)


def test_a_session_in_use_slides_on(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        browser = await signed_in(house, MASTER)
        pool = house.database.pool
        await pool.execute("UPDATE \"Switchgear_Session\" SET seen_at = seen_at - interval '50 minutes'")
        house.people.forget("all")
        assert await house.people.sessions.caller(browser.cookies["switchgear_session"]) is not None
        age = await pool.fetchval(
            'SELECT extract(epoch FROM now() - seen_at)::float8 FROM "Switchgear_Session"'
        )
        assert age < 60

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        (None, "/ui"),
        ("", "/ui"),
        ("/docs", "/docs"),
        ("/ui?page=keys&x=%20", "/ui"),
        ("/ui?page=keys", "/ui?page=keys"),
        ("//evil.example", "/ui"),
        ("/\\evil.example", "/ui"),
        ("/%5cevil.example", "/ui"),
        ("/%2f/evil.example", "/ui"),
        ("/%252f/evil.example", "/ui"),
        ("https://evil.example", "/ui"),
        ("javascript:alert(1)", "/ui"),
        ("/a\r\nSet-Cookie: x=y", "/ui"),
        ("/%0d%0aSet-Cookie:x", "/ui"),
        ("/../evil", "/ui"),
        ("/a//evil.example", "/ui"),
        ("evil", "/ui"),
        ("/" + "a" * 2000, "/ui"),
    ],
)
def test_a_sign_in_leads_back_to_this_gateway_alone(asked: str | None, to: str) -> None:
    assert return_path(asked) == to


@pytest.mark.parametrize("base_url", ["http://llm.example", "http://10.0.0.5:4000"])
def test_no_password_and_no_master_key_goes_over_plain_http_on_a_network(
    postgres_dsn: str, base_url: str
) -> None:
    async def scenario(house: House) -> None:
        await with_password(house)
        there = msgspec.structs.replace(VISIT, base_url=base_url)
        for body in (MASTER, {"username": "ada", "password": PASSWORD}):
            answer = await house.call(login, body, visit=there)
            assert isinstance(answer, WebPage)
            assert isinstance(answer.facts, SignInFacts)
            assert "https" in answer.facts.failure
        assert await house.database.pool.fetchval('SELECT count(*) FROM "Switchgear_Session"') == 0
        invited = await house.call(invite, {"user_id": "ada"})
        body = {"token": invited.url.partition("token=")[2], "password": PASSWORD}
        with pytest.raises(SignInFailed, match="https"):
            await house.call(accept, body, visit=there)

    in_house(postgres_dsn, scenario)


def test_a_path_with_an_address_in_its_query_stays_under_the_root_path() -> None:
    visit = msgspec.structs.replace(VISIT, base_url="https://llm.example/gw")
    asked = return_path("/ui?next=https://evil.example")
    (location,) = [
        value for name, value in page_reply(Redirect(to=asked), visit).headers if name == b"location"
    ]
    assert location == b"https://llm.example/gw/ui?next=https://evil.example"


@pytest.mark.parametrize(
    ("place", "query", "to"),
    [
        ("", {}, "/login"),
        ("keys", {}, "/login?return_to=%2Fui%2Fkeys"),
        ("/activity/0193", {"tab": "cost"}, "/login?return_to=%2Fui%2Factivity%2F0193%3Ftab%3Dcost"),
        ("", {"range": "7d"}, "/login?return_to=%2Fui%3Frange%3D7d"),
        ("../../evil.example", {}, "/login"),
        ("/evil.example", {}, "/login?return_to=%2Fui%2Fevil.example"),
    ],
)
def test_who_is_signed_out_comes_back_to_the_page_that_was_asked_for(
    postgres_dsn: str, place: str, query: dict[str, str], to: str
) -> None:
    async def scenario(house: House) -> None:
        visit = msgspec.structs.replace(VISIT, query={**query, "place": place})
        answer = await house.call(ui, {"place": place}, visit=visit)
        assert isinstance(answer, Redirect)
        assert answer.to == to

    in_house(postgres_dsn, scenario)
