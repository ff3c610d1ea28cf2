"""The return from the provider, called directly: who gets a session, who does not, and what claims do."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from functions.contract.visit import Redirect, WebPage
from functions.sso_callback import sso_callback
from functions.teams import member_add
from functions.teams import new as new_team
from functions.users import block, update
from functions.users import new as new_user
from schema.errors.callers import SignInFailed
from schema.errors.overload import ProviderUnavailable
from tests.fakes.entra import Entra, Person
from tests.functions.governed import VISIT, House, in_house
from tests.functions.signing_in import (
    ADA,
    furnished,
    notes,
    sign_in,
    to_provider,
    user_of,
    with_cookies,
)

BOSS = Person(oid="oid-boss", email="admin@deeprunner.ai", name="Boss")
SET_ADMIN = """
UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
WHERE user_email = 'admin@deeprunner.ai';
"""


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


async def count(house: House, table: str) -> int:
    return int(await house.database.pool.fetchval(f'SELECT count(*) FROM "{table}"'))


def test_the_first_sign_in_makes_the_row_and_opens_a_session(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, answer = await sign_in(house, entra, ADA, return_to="/docs")
        assert isinstance(answer, Redirect)
        assert answer.to == "/docs"
        user = await user_of(house, ADA)
        assert user["sso_user_id"] == f"{entra.tenant_id}:oid-ada"
        assert (user["user_email"], user["user_alias"]) == ("ada@deeprunner.ai", "Ada")
        assert (user["user_role"], user["role_source"], user["pending"]) == (
            "internal_user",
            "default",
            False,
        )
        secret = browser.cookies["switchgear_session"]
        caller = await house.people.sessions.caller(secret)
        assert caller is not None
        assert (caller.user_id, caller.role) == (user["user_id"], "internal_user")
        (entry,) = await notes(house, "signed_in")
        assert (entry["changed_by"], entry["source_address"]) == (user["user_id"], "203.0.113.7")
        assert secret not in str(entry)
        assert await count(house, "Switchgear_SignIn") == 0, "a sign-in that is over is kept"

    in_house(postgres_dsn, scenario)


def test_a_second_sign_in_finds_the_row_and_ends_the_browsers_session_before(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, _ = await sign_in(house, entra)
        before = browser.cookies["switchgear_session"]
        browser, _ = await sign_in(house, entra, ADA, browser)
        assert browser.cookies["switchgear_session"] != before, "a session that was fixed would go on"
        assert await count(house, "LiteLLM_UserTable") == 1
        assert await count(house, "Switchgear_Session") == 1

    in_house(postgres_dsn, scenario)


WRONG: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "of-another-sign-in"},
    "no nonce": {"nonce": None},
    "issuer": {"iss": "https://login.evil.example/v2.0"},
    "tenant": {"tid": "11111111-2222-3333-4444-555555555555"},
    "no tenant": {"tid": None},
    "no object id": {"oid": None},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": {"$ne": 1}},
    "audience": {"aud": "another-application"},
    "no audience": {"aud": None},
    "several audiences without the party": {"aud": ["another-application", "client"]},
    "another party": {"azp": "another-application"},
    "expired": {"exp": int(time.time()) - 300},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "never"},
    "of the future": {"nbf": int(time.time()) + 3600},
    "made in the future": {"iat": int(time.time()) + 3600},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_token_with_a_wrong_claim_gives_nothing(
    postgres_dsn: str, entra: Entra, wrong: dict[str, Any]
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        entra.wrong = wrong
        with pytest.raises(SignInFailed):
            await sign_in(house, entra)
        assert await count(house, "LiteLLM_UserTable") == 0
        assert await count(house, "Switchgear_Session") == 0
        (entry,) = await notes(house, "sign_in_failed")
        assert "sso" in entry["updated_values"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_is_signed_in_another_way_gives_nothing(
    postgres_dsn: str, entra: Entra, algorithm: str
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        entra.algorithm = algorithm
        with pytest.raises(SignInFailed, match="signed in a way"):
            await sign_in(house, entra)
        assert await count(house, "LiteLLM_UserTable") == 0

    in_house(postgres_dsn, scenario)


def test_a_token_that_was_signed_again_by_another_key_gives_nothing(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        entra.forges = True
        with pytest.raises(SignInFailed, match="not one of the issuer's"):
            await sign_in(house, entra)
        assert await count(house, "Switchgear_Session") == 0

    in_house(postgres_dsn, scenario)


def test_a_clock_that_is_a_little_off_does_not_matter(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        now = int(time.time())
        entra.wrong = {"exp": now - 20, "nbf": now + 20, "iat": now + 20}
        _, answer = await sign_in(house, entra)
        assert isinstance(answer, Redirect)

    in_house(postgres_dsn, scenario)


def test_the_issuers_key_may_change_between_two_sign_ins(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra)
        entra.rotate()
        directory = house.people.desk._connect._directory
        for kept in directory._keys.values():
            kept.read_mono -= 60  # keys are read again at most every ten seconds
        _, answer = await sign_in(house, entra)
        assert isinstance(answer, Redirect)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "made-up-by-somebody"},
        {"state": ""},
        {"state": "x" * 5000},
        {"code": ""},
        {"code": "made-up"},
        {"error": "access_denied", "error_description": "<script>"},
        {"error": "<script>alert(1)</script>", "error_description": "AADSTS65004: declined"},
    ],
    ids=str,
)
def test_a_return_that_nobody_asked_for_gives_nothing(
    postgres_dsn: str, entra: Entra, change: dict[str, str]
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, back = await to_provider(house)
        with pytest.raises(SignInFailed) as caught:
            await house.call(sso_callback, {**back, **change}, visit=browser)
        assert "<script" not in caught.value.message
        assert await count(house, "Switchgear_Session") == 0

    in_house(postgres_dsn, scenario)


def test_a_stranger_can_not_fill_the_audit_log(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        for _ in range(30):
            with pytest.raises(SignInFailed):
                await house.call(sso_callback, {"state": "made-up", "code": "made-up"}, visit=VISIT)
        assert len(await notes(house, "sign_in_failed")) == 10
        with pytest.raises(SignInFailed):  # no RateLimited: nobody is kept out by it
            await house.ports.signin.check_master_key("sk-wrong", VISIT)

    in_house(postgres_dsn, scenario)


def test_a_return_counts_in_the_browser_that_began_and_once(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, back = await to_provider(house)
        stranger, _ = await to_provider(house)
        for visit in (VISIT, stranger):
            with pytest.raises(SignInFailed, match="another browser"):
                await house.call(sso_callback, back, visit=visit)
        assert isinstance(await house.call(sso_callback, back, visit=browser), Redirect)
        with pytest.raises(SignInFailed, match="has been used"):
            await house.call(sso_callback, back, visit=browser)

    in_house(postgres_dsn, scenario)


def test_a_sign_in_that_took_too_long_gives_nothing(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, back = await to_provider(house)
        await house.database.pool.execute(
            "UPDATE \"Switchgear_SignIn\" SET expires_at = now() - interval '1 second'"
        )
        with pytest.raises(SignInFailed, match="ten minutes"):
            await house.call(sso_callback, back, visit=browser)

    in_house(postgres_dsn, scenario)


def test_two_tabs_of_one_browser_sign_in_side_by_side(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, first = await to_provider(house)
        browser, second = await to_provider(house, browser)
        for back in (first, second):
            answer = await house.call(sso_callback, back, visit=browser)
            assert isinstance(answer, Redirect)
            browser = with_cookies(browser, answer)

    in_house(postgres_dsn, scenario)


def test_first_sign_ins_at_once_make_one_row(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        entra.at_the_keyboard = ADA
        returns = [await to_provider(house) for _ in range(6)]
        answers = await asyncio.gather(
            *(house.call(sso_callback, back, visit=browser) for browser, back in returns)
        )
        assert all(isinstance(answer, Redirect) for answer in answers)
        assert await count(house, "LiteLLM_UserTable") == 1
        assert await count(house, "Switchgear_Session") == 6

    in_house(postgres_dsn, scenario)


def test_a_provider_that_is_down_is_told_and_makes_nothing(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, back = await to_provider(house)
        entra.is_down = True
        with pytest.raises(ProviderUnavailable) as caught:
            await house.call(sso_callback, back, visit=browser)
        assert entra.client_secret not in caught.value.message
        assert await count(house, "LiteLLM_UserTable") == 0

    in_house(postgres_dsn, scenario)


def test_a_wrong_client_secret_is_an_admins_to_mend(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, back = await to_provider(house)
        entra.client_secret = "another"
        with pytest.raises(SignInFailed, match="may have expired") as caught:
            await house.call(sso_callback, back, visit=browser)
        assert "AADSTS7000215" in caught.value.message

    in_house(postgres_dsn, scenario)


# E-mail addresses


def test_an_address_selects_a_row_that_an_admin_made_once(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        body = {"user_id": "boss", "user_email": "Admin@deeprunner.ai", "auto_create_key": False}
        await house.call(new_user, {**body, "user_role": "proxy_admin"})
        await sign_in(house, entra, BOSS)
        assert (await user_of(house, BOSS))["user_id"] == "boss"
        other = Person(oid="oid-other", email=BOSS.email)
        await sign_in(house, entra, other)
        row = await user_of(house, other)
        assert row["user_id"] != "boss", "an address selected a row that somebody signs in as"
        assert (row["user_role"], row["user_email"]) == ("internal_user", None)

    in_house(postgres_dsn, scenario)


def test_a_guest_of_the_tenant_does_not_become_the_admin_whose_address_it_asserts(
    postgres_dsn: str, entra: Entra
) -> None:
    """Another tenant wrote the address of a guest."""

    async def scenario(house: House) -> None:
        furnished(house, entra)
        body = {"user_id": "boss", "user_email": BOSS.email, "auto_create_key": False}
        await house.call(new_user, {**body, "user_role": "proxy_admin"})
        entra.wrong = {"idp": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"}
        guest = Person(oid="oid-guest", email=BOSS.email)
        await sign_in(house, entra, guest)
        row = await user_of(house, guest)
        assert (row["user_id"] == "boss", row["user_role"], row["user_email"]) == (
            False,
            "internal_user",
            None,
        )
        await house.database.pool.execute(SET_ADMIN)
        assert (await user_of(house, guest))["user_role"] == "internal_user"

    in_house(postgres_dsn, scenario)


def test_litellms_identity_is_taken_over(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        body = {"user_id": "oid-ada", "sso_user_id": "oid-ada", "auto_create_key": False}
        await house.call(new_user, body)
        await sign_in(house, entra)
        row = await user_of(house, ADA)
        assert (row["user_id"], row["sso_user_id"]) == ("oid-ada", f"{entra.tenant_id}:oid-ada")

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("email", "may"),
    [
        ("ada@deeprunner.ai", True),
        ("ada@DEEPRUNNER.AI", True),
        ("ada@evil-deeprunner.ai", False),
        ("ada@deeprunner.ai.evil.example", False),
        ("ada@deeprunner.ai@evil.example", False),
        ("@deeprunner.ai", False),
    ],
)
def test_only_the_domains_that_are_allowed_come_in(
    postgres_dsn: str, entra: Entra, email: str, may: bool
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, env={"ALLOWED_EMAIL_DOMAINS": "other.example, deeprunner.ai"})
        person = msgspec.structs.replace(ADA, email=email)
        if may:
            assert isinstance((await sign_in(house, entra, person))[1], Redirect)
            return
        with pytest.raises(SignInFailed, match="domain"):
            await sign_in(house, entra, person)
        assert await count(house, "LiteLLM_UserTable") == 0

    in_house(postgres_dsn, scenario)


# Roles


def test_the_documents_update_counts_before_a_claim(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra, BOSS)
        await house.database.pool.execute(SET_ADMIN)
        claiming = msgspec.structs.replace(BOSS, roles=("internal_user",))
        await sign_in(house, entra, claiming)
        row = await user_of(house, BOSS)
        assert (row["user_role"], row["role_source"]) == ("proxy_admin", "sql")
        assert row["claimed_role"] == "internal_user", "the user's page does not show the claim"
        entries = [entry for entry in await notes(house, "updated") if entry["object_id"] == row["user_id"]]
        assert any('"claimed_role": "internal_user"' in entry["updated_values"] for entry in entries)
        await sign_in(house, entra, BOSS)
        assert (await user_of(house, BOSS))["claimed_role"] is None

    in_house(postgres_dsn, scenario)


def test_an_update_that_sets_the_role_that_a_claim_gave_keeps_it(postgres_dsn: str, entra: Entra) -> None:
    """The same value from another source."""

    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra, msgspec.structs.replace(BOSS, roles=("proxy_admin",)))
        assert (await user_of(house, BOSS))["role_source"] == "claim"
        await house.database.pool.execute(SET_ADMIN)
        await sign_in(house, entra, msgspec.structs.replace(BOSS, roles=("internal_user",)))
        assert (await user_of(house, BOSS))["user_role"] == "proxy_admin"

    in_house(postgres_dsn, scenario)


def test_a_claim_is_applied_again_at_each_sign_in(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        for claimed, role in (("DevOps", "devops"), ("proxy_admin", "proxy_admin"), ("devops", "devops")):
            await sign_in(house, entra, msgspec.structs.replace(ADA, roles=(claimed, "unknown-word")))
            row = await user_of(house, ADA)
            assert (row["user_role"], row["role_source"]) == (role, "claim")
        await sign_in(house, entra, ADA)
        assert (await user_of(house, ADA))["user_role"] == "internal_user", "the directory gives it no more"

    in_house(postgres_dsn, scenario)


def test_a_role_that_an_admin_gave_stays_until_it_is_handed_back(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra)
        user_id = (await user_of(house, ADA))["user_id"]
        shown = await house.call(update, {"user_id": user_id, "user_role": "devops"})
        assert shown.data.role_source == "api"
        claiming = msgspec.structs.replace(ADA, roles=("internal_user",))
        await sign_in(house, entra, claiming)
        assert (await user_of(house, ADA))["user_role"] == "devops"
        shown = await house.call(update, {"user_id": user_id, "follow_directory": True})
        assert shown.data.role_source == "claim"
        await sign_in(house, entra, claiming)
        assert (await user_of(house, ADA))["user_role"] == "internal_user"

    in_house(postgres_dsn, scenario)


# Groups


GROUPS = {"g-platform": "Platform", "g-ops": "Operations", "g-all": "Everybody"}


def groups_of(person: Person, *groups: str) -> Person:
    return msgspec.structs.replace(person, groups=groups)


def test_groups_give_teams_by_id_or_name_and_roles_by_id_alone(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(
            house,
            entra,
            team_mappings={"groups": {"Platform": "platform", "g-ops": "ops", "Nowhere": "gone"}},
            role_mappings={"roles": {"devops": ["g-ops"], "proxy_admin": ["Platform", "Everybody"]}},
        )
        entra.group_names = GROUPS
        for team_id in ("platform", "ops", "by-hand"):
            await house.call(new_team, {"team_id": team_id})
        await sign_in(house, entra, groups_of(ADA, "g-platform", "g-ops", "g-all"))
        row = await user_of(house, ADA)
        assert (sorted(row["teams"]), row["user_role"]) == (["ops", "platform"], "devops"), (
            "whoever makes a group named Platform would be an admin"
        )
        await house.call(member_add, {"team_id": "by-hand", "member": {"user_id": row["user_id"]}})
        await sign_in(house, entra, groups_of(ADA, "g-platform"))
        assert sorted((await user_of(house, ADA))["teams"]) == ["by-hand", "platform"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("page", [1, 2, 100])
def test_too_many_groups_for_a_token_are_read_from_graph_page_by_page(
    postgres_dsn: str, entra: Entra, page: int
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, team_mappings={"groups": {"Platform": "platform", "Everybody": "all"}})
        entra.group_names, entra.overage, entra.group_page = GROUPS, True, page
        for team_id in ("platform", "all"):
            await house.call(new_team, {"team_id": team_id})
        await sign_in(house, entra, groups_of(ADA, "g-ops", "g-all", "g-platform"))
        assert sorted((await user_of(house, ADA))["teams"]) == ["all", "platform"]
        assert entra.asked_graph == -(-3 // page)
        entra.graph_refuses = True
        await sign_in(house, entra, ADA)
        assert sorted((await user_of(house, ADA))["teams"]) == ["all", "platform"], (
            "memberships went where nobody knows the groups"
        )

    in_house(postgres_dsn, scenario)


def test_a_group_may_make_its_team_with_the_configs_defaults(postgres_dsn: str, entra: Entra) -> None:
    from functions.contract.policy import policy_of
    from models_registry.config.reader import read_config

    defaults = {"max_budget": 9, "models": ["gpt"], "team_member_budget": 2}
    policy, _ = policy_of(read_config({"litellm_settings": {"default_team_params": defaults}}, {}))

    async def scenario(house: House) -> None:
        furnished(house, entra, policy=policy, team_mappings={"create_teams": True})
        entra.group_names = GROUPS
        await sign_in(house, entra, groups_of(ADA, "g-platform"))
        assert (await user_of(house, ADA))["teams"] == ["g-platform"]
        team = await house.database.pool.fetchrow(
            "SELECT * FROM \"LiteLLM_TeamTable\" WHERE external_id = 'g-platform'"
        )
        assert (team["team_alias"], team["max_budget"], team["models"]) == ("Platform", 9, ["gpt"])
        assert team["member_budget_id"] is not None
        await house.call(new_team, {"team_id": "g-ops"})
        await sign_in(house, entra, groups_of(ADA, "g-platform", "g-ops"))
        assert (await user_of(house, ADA))["teams"] == ["g-platform"], (
            "a group's id opened a team made by hand"
        )

    in_house(postgres_dsn, scenario)


def test_without_a_mapping_graph_is_not_asked(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra, groups_of(ADA, "g-platform"))
        assert entra.asked_graph == 0
        assert "GroupMember" not in entra.visits[-1]["scope"]

    in_house(postgres_dsn, scenario)


# Who may not come in


def test_a_blocked_user_gets_no_session(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        browser, _ = await sign_in(house, entra)
        await house.call(block, {"user_id": (await user_of(house, ADA))["user_id"]})
        assert await count(house, "Switchgear_Session") == 0, "a block leaves the session"
        assert await house.people.sessions.caller(browser.cookies["switchgear_session"]) is None
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra)

    in_house(postgres_dsn, scenario)


def test_a_new_user_waits_where_the_config_says_so(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, new_users="pending")
        _, answer = await sign_in(house, entra)
        assert isinstance(answer, WebPage)
        assert (answer.name, answer.status, answer.cookies) == ("pending", 403, ())
        user = await user_of(house, ADA)
        assert user["pending"]
        await house.call(update, {"user_id": user["user_id"], "user_role": "internal_user"})
        assert isinstance((await sign_in(house, entra))[1], Redirect)

    in_house(postgres_dsn, scenario)


def test_the_defaults_of_the_config_are_a_new_users(postgres_dsn: str, entra: Entra) -> None:
    from functions.contract.policy import policy_of
    from models_registry.config.reader import read_config

    defaults = {
        "max_budget": 7,
        "budget_duration": "1d",
        "models": ["gpt"],
        "user_role": "internal_user_viewer",
        "teams": ["all", "that-is-not-there"],
    }
    config = read_config({"litellm_settings": {"default_internal_user_params": defaults}}, {})
    policy, errors = policy_of(config)
    assert errors == ()

    async def scenario(house: House) -> None:
        furnished(house, entra, policy=policy)
        await house.call(new_team, {"team_id": "all"})
        await sign_in(house, entra)
        row = await user_of(house, ADA)
        assert (row["max_budget"], row["budget_duration"], row["models"]) == (7, "1d", ["gpt"])
        assert (row["user_role"], row["role_source"], row["teams"]) == (
            "internal_user_viewer",
            "default",
            ["all"],
        )

    in_house(postgres_dsn, scenario)
