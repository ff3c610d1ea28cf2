"""Virtual keys: what they can be given, by whom, and that no change is lost."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, INTERNAL_USER, PROXY_ADMIN_VIEWER
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import AlreadyExists, NotFound
from schema.secret import key_hash_of
from tests.functions.contexts import NOW
from tests.functions.governed import House, bodies, cases, found, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 8, user_id="ada")
BOB = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="bob")
OPS = Caller(role=DEVOPS, key_hash="d" * 8, user_id="ops")
LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"})
MAKE_TEAM = """INSERT INTO "LiteLLM_TeamTable" (team_id) VALUES ($1)"""


async def peopled(house: House) -> None:
    """The users of these tests, and two teams."""
    for user_id in ("ada", "bob", "ops", "lead"):
        await house.call(users.new, {"user_id": user_id, "auto_create_key": False})
    for team in ("red", "blue"):
        await house.database.pool.execute(MAKE_TEAM, team)
    await house.database.pool.execute(
        """INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, role) VALUES ('lead', 'red', 'admin')"""
    )


def test_a_generated_key_is_shown_once_and_stored_as_its_hash(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            keys.generate,
            {"key_alias": "ci", "models": ["gpt-4"], "max_budget": 0.1, "duration": "30d", "tags": ["a"]},
        )
        assert made.key.startswith("sk-")
        assert made.key not in repr(made)
        assert (made.token, made.token_id, made.key_name) == (
            key_hash_of(made.key),
            key_hash_of(made.key),
            f"sk-...{made.key[-4:]}",
        )
        assert (made.max_budget, made.expires) == (Decimal("0.1"), NOW + timedelta(days=30))
        assert bytes(made.metadata["tags"]) == b'["a"]'
        stored = await house.database.pool.fetchrow('SELECT * FROM "LiteLLM_VerificationToken"')
        assert made.key not in str(dict(stored))
        assert (stored["max_budget"], stored["key_id"]) == (Decimal("0.1"), made.token)
        shown = await house.call(keys.info, {"key": made.key})
        assert (shown.key, shown.info.status, shown.info.key_alias) == (made.key, "active", "ci")
        assert made.key not in repr(shown)
        by_hash = await house.call(keys.info, {"key": made.token})
        assert (by_hash.key, by_hash.info.token) == (made.token, made.token)
        many = await house.call(keys.info_of_many, {"keys": [made.key, "a" * 64]})
        assert many.key == [made.key]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "key", ["sk-short", "pk-not-one-of-ours-0123", "sk-with a blank 01234567", "sk-ünicode-0123456"]
)
def test_a_chosen_key_has_to_look_like_one(postgres_dsn: str, key: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest, match="key: expected") as caught:
            await house.call(keys.generate, {"key": key})
        assert key not in caught.value.message
        chosen = await house.call(keys.generate, {"key": "sk-0123456789abcdef"})
        assert chosen.key == "sk-0123456789abcdef"
        with pytest.raises(AlreadyExists):
            await house.call(keys.generate, {"key": "sk-0123456789abcdef"})

    in_house(postgres_dsn, scenario)


def test_an_update_touches_the_named_fields_alone_and_null_clears(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            keys.generate,
            {
                "key_alias": "k",
                "max_budget": 5,
                "rpm_limit": 7,
                "duration": "1d",
                "metadata": {"a": 1, "b": 2},
                "model_rpm_limit": {"gpt-4": 3},
            },
        )
        after = await house.call(keys.update, {"key": made.key, "max_budget": None, "tpm_limit": 9})
        assert (after.key, after.max_budget, after.rpm_limit, after.tpm_limit) == (made.token, None, 7, 9)
        assert after.expires == made.expires
        after = await house.call(keys.update, {"key_alias": "k", "metadata": {"c": 3}, "duration": "-1"})
        assert after.expires is None
        assert {name: bytes(value) for name, value in after.metadata.items()} == {
            "c": b"3",
            "model_rpm_limit": b'{"gpt-4": 3}',
        }
        after = await house.call(keys.update, {"key": made.token, "model_rpm_limit": None, "duration": "0s"})
        assert "model_rpm_limit" not in after.metadata
        assert (after.status, after.expires) == ("expired", NOW)

    in_house(postgres_dsn, scenario)


def test_two_changes_at_once_lose_nothing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"metadata": {"kept": 1}})
        changes = bodies(
            {"tags": ["t"]},
            {"model_tpm_limit": {"m": 1}},
            {"rpm_limit": 1},
            {"tpm_limit": 2},
            {"max_budget": 3},
        )
        await asyncio.gather(*(house.call(keys.update, {"key": made.key, **each}) for each in changes))
        info = (await house.call(keys.info, {"key": made.key})).info
        assert (info.rpm_limit, info.tpm_limit, info.max_budget) == (1, 2, Decimal(3))
        assert set(info.metadata) == {"kept", "tags", "model_tpm_limit"}

    in_house(postgres_dsn, scenario)


def test_of_two_keys_with_one_alias_made_at_once_one_is_made(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await asyncio.gather(
            *(house.call(keys.generate, {"key_alias": "same"}) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(each, AlreadyExists) for each in made) == 4

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_budget", "NaN"),
        ("max_budget", "inf"),
        ("max_budget", -0.01),
        ("max_budget", 1e30),
        ("rpm_limit", -1),
        ("rpm_limit", 1.5),
        ("duration", "0d"),
        ("duration", "-5d"),
        ("models", ["x" * 300]),
        ("metadata", {"x": "y" * 20_000}),
        ("model_rpm_limit", {"m": -1}),
        ("temp_budget_increase", 5),
        ("budget_id", "nope"),
        ("team_id", "nope"),
        ("key_type", "root"),
        ("policies", ["pii"]),
        ("guardrails", [""]),
        ("guardrails", ["gone"]),
        ("allowed_cache_controls", ["no-cash"]),
    ],
)
def test_what_no_key_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: object) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, NotFound, UnsupportedParameter)) as caught:
            await house.call(keys.generate, {field: value})
        assert field in f"{caught.value.param} {caught.value.message}"
        assert (await house.call(keys.list_keys)).total_count == 0

    in_house(postgres_dsn, scenario)


def test_a_replaced_key_keeps_its_row_and_lives_on_for_its_grace(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "k", "max_budget": 5, "spend": 2})
        new = await house.call(keys.regenerate_named, {"key": made.key, "grace_period": "1h", "rpm_limit": 4})
        assert new.key != made.key
        assert (new.key_alias, new.spend, new.rpm_limit, new.rotation_count, new.key_id) == (
            "k",
            Decimal(2),
            4,
            1,
            made.token,
        )
        again = await house.call(keys.regenerate, {"key": new.token, "new_key": "sk-0123456789abcdef"})
        rows = await house.database.pool.fetch('SELECT * FROM "Switchgear_Authority" ORDER BY presented')
        assert {(row["presented"], row["revoke_at"] is None) for row in rows} == {
            (again.token, True),
            (made.token, False),
        }
        assert house.announced[-2:] == [f"key:{new.token}", f"key:{again.token}"]
        actions = await house.database.pool.fetch(
            """SELECT DISTINCT action FROM "LiteLLM_AuditLog" WHERE updated_values->>'rotation_count' = '2'"""
        )
        assert [row["action"] for row in actions] == ["rotated"]
        with pytest.raises(NotFound):
            await house.call(keys.info, {"key": made.key})

    in_house(postgres_dsn, scenario)


def test_a_key_in_its_grace_is_nobody_elses_and_can_be_taken_back(postgres_dsn: str) -> None:
    presented = 'SELECT presented, revoke_at IS NULL AS active FROM "Switchgear_Authority" ORDER BY 2'

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {})
        with pytest.raises(InvalidRequest, match="new_key"):
            await house.call(keys.regenerate_named, {"key": made.key, "new_key": made.key})
        first = await house.call(keys.regenerate_named, {"key": made.key})
        second = await house.call(keys.regenerate_named, {"key": first.key, "grace_period": "1h"})
        other = await house.call(keys.generate, {})
        for function, body in cases(
            (keys.generate, {"key": first.key}),
            (keys.regenerate_named, {"key": other.key, "new_key": first.key}),
        ):
            with pytest.raises(AlreadyExists):
                await house.call(function, body)
        await house.call(keys.delete, {"keys": [other.key]})
        back = {"key": second.key, "new_key": first.key, "grace_period": "1h"}
        assert (await house.call(keys.regenerate_named, back)).key == first.key
        rows = await house.database.pool.fetch(presented)
        assert [(row["presented"], row["active"]) for row in rows] == [
            (second.token, False),
            (first.token, True),
        ]

    in_house(postgres_dsn, scenario)


def test_a_deleted_key_leaves_a_record(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        first = await house.call(keys.generate, {"key_alias": "a"})
        second = await house.call(keys.generate, {"key_alias": "b"})
        gone = await house.call(keys.delete, {"keys": [first.key], "key_aliases": ["b"]})
        assert set(gone.deleted_keys) == {first.key, "b"}, "as they were asked for"
        assert first.key not in repr(gone)
        rows = await house.database.pool.fetch('SELECT * FROM "LiteLLM_DeletedVerificationToken"')
        assert {(row["token"], row["deleted_by"]) for row in rows} == {
            (first.token, "default_user_id"),
            (second.token, "default_user_id"),
        }
        with pytest.raises(NotFound):
            await house.call(keys.delete, {"keys": [first.key]})

    in_house(postgres_dsn, scenario)


def test_a_deleted_key_is_shown_as_it_was_to_whoever_might_see_it(postgres_dsn: str) -> None:
    ada = Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="ada")
    eve = Caller(role=INTERNAL_USER, key_hash="c" * 64, user_id="eve")

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "a", "user_id": "ada", "max_budget": 2})
        await house.call(keys.delete, {"keys": [made.key]})
        await house.call(teams.new, {"team_id": "red"})
        of_team = await house.call(keys.generate, {"team_id": "red", "blocked": True})
        await house.call(teams.delete, {"team_ids": ["red"]})
        for asked in (made.key, made.token):
            shown = await house.call(keys.info, {"key": asked})
            facts = (shown.key, shown.info.status, shown.info.key_alias, shown.info.max_budget)
            assert facts == (asked, "deleted", "a", Decimal(2))
        assert (await house.call(keys.info, {"key": of_team.key})).info.status == "deleted"
        assert (await house.call(keys.info, {"key": made.key}, by=ada)).info.status == "deleted"
        for hidden in (made.key, of_team.key):
            with pytest.raises(NotFound):
                await house.call(keys.info, {"key": hidden}, by=eve)
        with pytest.raises(NotFound):
            await house.call(keys.info, {"key": "sk-never-was-0123456789"})
        again = await house.call(keys.generate, {"key": made.key, "key_alias": "b"})
        assert (await house.call(keys.info, {"key": again.key})).info.status == "active"

    in_house(postgres_dsn, scenario)


def test_a_team_member_manages_its_own_keys_and_sees_no_others(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        mine = await house.call(keys.generate, {"key_alias": "mine"}, by=ADA)
        assert mine.user_id == "ada"
        other = await house.call(keys.generate, {"key_alias": "other", "user_id": "bob"})
        listed = await house.call(keys.list_keys, by=ADA)
        assert (listed.keys, listed.total_count) == ([mine.token], 1)
        assert (await house.call(keys.aliases, by=ADA)).aliases == ["mine"]
        for function, body in cases(
            (keys.info, {"key": other.key}),
            (keys.update, {"key": other.key, "rpm_limit": 1}),
            (keys.block, {"key": other.key}),
            (keys.regenerate_named, {"key": other.key}),
            (keys.reset_spend, {"key": other.key}),
            (keys.delete, {"keys": [other.key]}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=ADA)
        for body in bodies(
            {"user_id": "bob"},
            {"spend": 0},
            {"organization_id": "acme"},
        ):
            with pytest.raises((NotAllowed, NotFound)):
                await house.call(keys.generate, body, by=ADA)
        with pytest.raises(NotFound):
            await house.call(keys.generate, {"team_id": "red"}, by=ADA)
        with pytest.raises(NotAllowed):
            await house.call(keys.update, {"key": mine.key, "user_id": "bob"}, by=ADA)
        with pytest.raises(NotAllowed):
            await house.call(keys.reset_spend, {"key": mine.key}, by=ADA)
        assert (await house.call(keys.block, {"key": mine.key}, by=ADA)).status == "blocked"

    in_house(postgres_dsn, scenario)


def test_an_owner_does_not_loosen_what_somebody_else_tied(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        given = await house.call(
            keys.generate, {"user_id": "ada", "max_budget": 5, "duration": "1d", "models": ["gpt-4"]}
        )
        for body in bodies(
            {"max_budget": 500},
            {"max_budget": None},
            {"rpm_limit": None},
            {"duration": "-1"},
            {"models": []},
            {"budget_id": None},
            {"budget_limits": []},
            {"allowed_routes": []},
            {"temp_budget_increase": 100, "temp_budget_expiry": "2030-01-01T00:00:00Z"},
            {"model_rpm_limit": None},
        ):
            with pytest.raises(NotAllowed):
                await house.call(keys.update, {"key": given.key, **body}, by=ADA)
            with pytest.raises(NotAllowed):
                await house.call(keys.regenerate_named, {"key": given.key, **body}, by=ADA)
        named = await house.call(
            keys.update, {"key": given.key, "key_alias": "mine", "metadata": {"a": 1}}, by=ADA
        )
        assert (named.key_alias, named.max_budget) == ("mine", Decimal(5))
        assert (await house.call(keys.regenerate_named, {"key": given.key}, by=ADA)).max_budget == Decimal(5)

    in_house(postgres_dsn, scenario)


def test_who_is_blocked_does_not_unblock_itself(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        own = await house.call(keys.generate, {}, by=ADA)
        await house.call(keys.block, {"key": own.key})
        for function, body in cases(
            (keys.unblock, {"key": own.key}),
            (keys.update, {"key": own.key, "blocked": False}),
            (keys.regenerate_named, {"key": own.key, "blocked": None}),
            (keys.update, {"key": own.key, "key_alias": "so that the block would seem its own"}),
            (keys.block, {"key": own.key}),
            (keys.regenerate_named, {"key": own.key}),
        ):
            with pytest.raises(NotAllowed):
                await house.call(function, body, by=ADA)
        await house.call(keys.unblock, {"key": own.key})
        await house.call(keys.block, {"key": own.key}, by=ADA)
        assert (await house.call(keys.unblock, {"key": own.key}, by=ADA)).status == "active"

    in_house(postgres_dsn, scenario)


def test_a_team_admin_manages_the_teams_keys_and_no_other_teams(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(keys.generate, {"team_id": "red"}, by=LEAD)
        assert (made.team_id, made.user_id) == ("red", None)
        service = await house.call(keys.generate_service_account, {"team_id": "red"}, by=LEAD)
        foreign = await house.call(keys.generate, {"team_id": "blue", "user_id": "bob"})
        assert set((await house.call(keys.list_keys, by=LEAD)).keys) == {made.token, service.token}
        with pytest.raises(NotFound):
            await house.call(keys.generate, {"team_id": "blue"}, by=LEAD)
        with pytest.raises(NotFound):
            await house.call(keys.update, {"key": made.key, "team_id": "blue"}, by=LEAD)
        with pytest.raises(NotFound):
            await house.call(keys.delete, {"keys": [foreign.key]}, by=LEAD)
        assert (await house.call(keys.delete, {"keys": [made.key]}, by=LEAD)).deleted_keys == [made.key]

    in_house(postgres_dsn, scenario)


def test_nobody_but_an_admin_is_shown_a_key_that_acts_as_somebody_else(postgres_dsn: str) -> None:
    """A team's or organization's admin would have all that the other may do, here and elsewhere."""
    boss = Caller(role=INTERNAL_USER, key_hash="9" * 8, user_id="boss", organizations={"acme": "org_admin"})

    async def scenario(house: House) -> None:
        await peopled(house)
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "a"})
        root = {"user_id": "root", "user_role": "proxy_admin", "auto_create_key": False}
        await house.call(users.new, root)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "root"}})
        team_key = await house.call(keys.generate, {"team_id": "red", "user_id": "root"})
        own = await house.call(keys.generate, {"team_id": "red", "user_id": "lead"}, by=LEAD)
        service = await house.call(keys.generate, {"team_id": "red"}, by=LEAD)
        for caller, function, body in (
            (LEAD, keys.generate, {"team_id": "red", "user_id": "root"}),
            (LEAD, keys.regenerate_named, {"key": team_key.token}),
            (LEAD, keys.update, {"key": own.token, "user_id": "root"}),
            (LEAD, keys.update, {"key": service.token, "user_id": "root"}),
            (LEAD, keys.update, {"key": team_key.token, "user_id": None}),
            (LEAD, keys.update, {"key": service.token, "team_id": None}),
            (LEAD, keys.update, {"key": service.token, "budget_id": "b"}),
            (boss, keys.generate, {"organization_id": "acme", "user_id": "ada"}),
        ):
            with pytest.raises(NotAllowed):
                await house.call(function, body, by=caller)
        assert (await house.call(keys.regenerate_named, {"key": own.token}, by=LEAD)).user_id == "lead"
        assert (await house.call(keys.regenerate_named, {"key": service.token}, by=LEAD)).user_id is None

    in_house(postgres_dsn, scenario)


def test_devops_make_test_keys_that_live_and_spend_little_and_touch_no_others(postgres_dsn: str) -> None:
    policy = Policy(devops_key_duration="12h", devops_key_budget=Decimal("0.5"))

    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(keys.generate, {"key_alias": "test"}, by=OPS)
        assert (made.max_budget, made.expires, made.user_id) == (
            Decimal("0.5"),
            NOW + timedelta(hours=12),
            "ops",
        )
        for body in bodies(
            {"duration": "13h"},
            {"duration": None},
            {"max_budget": 0.51},
            {"max_budget": None},
            {"budget_duration": "1d"},
            {"user_id": "bob"},
            {"metadata": {"temp_budget_increase": 9, "temp_budget_expiry": "2030-01-01T00:00:00Z"}},
        ):
            with pytest.raises(NotAllowed):
                await house.call(keys.generate, body, by=OPS)
        with pytest.raises(NotAllowed):
            await house.call(keys.update, {"key": made.key, "max_budget": 1}, by=OPS)
        house.now = NOW + timedelta(hours=13)
        with pytest.raises(NotAllowed, match="duration"):
            await house.call(keys.update, {"key": made.key, "duration": "12h"}, by=OPS)
        house.now = NOW
        other = await house.call(keys.generate, {"user_id": "ada"})
        assert (await house.call(keys.info, {"key": other.key}, by=OPS)).key == other.key, "it may look"
        for function, body in cases(
            (keys.update, {"key": other.key, "rpm_limit": 1}),
            (keys.delete, {"keys": [other.key]}),
            (keys.block, {"key": other.key}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=OPS)
        assert (await house.call(keys.delete, {"keys": [made.key]}, by=OPS)).deleted_keys == [made.key]

    in_house(postgres_dsn, scenario, policy)


def test_the_config_fills_bounds_and_forbids(postgres_dsn: str) -> None:
    policy = Policy(
        key_defaults={"rpm_limit": msgspec.Raw(b"11"), "models": msgspec.Raw(b'["gpt-4"]')},
        key_upper_bounds={"max_budget": msgspec.Raw(b"2"), "duration": msgspec.Raw(b'"7d"')},
        key_alias_pattern="[a-z]+",
        personal_key_roles=("proxy_admin",),
    )

    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(keys.generate, {"team_id": "red"}, by=LEAD)
        assert (made.rpm_limit, made.models, made.max_budget) == (11, ["gpt-4"], Decimal(2))
        assert made.expires == NOW + timedelta(days=7)
        for body in bodies({"max_budget": 3}, {"duration": "8d"}, {"duration": "-1"}):
            with pytest.raises(NotAllowed):
                await house.call(keys.generate, {"team_id": "red", **body}, by=LEAD)
        for body in bodies(
            {"max_budget": 3}, {"max_budget": None}, {"max_budget": "NaN"}, {"duration": "-1"}
        ):
            with pytest.raises((NotAllowed, InvalidRequest)):
                await house.call(keys.update, {"key": made.key, **body}, by=LEAD)
        with pytest.raises(InvalidRequest, match="key_alias"):
            await house.call(keys.generate, {"key_alias": "No1"})
        with pytest.raises(NotAllowed, match="proxy_admin"):
            await house.call(keys.generate, {}, by=ADA)

    in_house(postgres_dsn, scenario, policy)


def test_a_list_is_paged_filtered_and_sorted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for number in range(5):
            await house.call(
                keys.generate, {"key_alias": f"key-{number}", "user_id": f"u{number % 2}", "spend": number}
            )
        blocked = await house.call(
            keys.generate, {"key_alias": "blocked_100%", "blocked": True, "access_group_ids": ["fast"]}
        )
        page = await house.call(
            keys.list_keys, {"size": 2, "page": 2, "return_full_object": True, "sort_by": "spend"}
        )
        assert [each.key_alias for each in page.keys if not isinstance(each, str)] == ["key-2", "key-1"]
        assert (page.total_count, page.total_pages) == (6, 3)
        for query, count in found(
            ({"user_id": "u1"}, 2),
            ({"search": "key-"}, 5),
            ({"search": "100%"}, 1),
            ({"search": "k%y"}, 0),
            ({"key_alias": "key"}, 0),
            ({"key_alias": "key", "substring_matching": True}, 5),
            ({"status": "blocked"}, 1),
            ({"status": "active"}, 5),
            ({"key_hash": blocked.key}, 1),
            ({"access_group_id": "fast"}, 1),
        ):
            assert (await house.call(keys.list_keys, query)).total_count == count, query
        for query in bodies({"size": -1}, {"size": 0}, {"page": 0}):
            with pytest.raises(InvalidRequest):
                await house.call(keys.list_keys, query)
        with pytest.raises(InvalidRequest, match="expand"):
            await house.call(keys.list_keys, {"expand": "team"})

    in_house(postgres_dsn, scenario)


def test_a_bulk_update_says_which_failed(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {})
        result = await house.call(
            keys.bulk_update,
            {
                "keys": [
                    {"key": made.key, "max_budget": 1},
                    {"key": "sk-unknown-0123456789"},
                    {"key": made.key, "rpm_limit": 1, "policies": ["pii"]},
                ]
            },
        )
        assert (result.total_requested, len(result.successful_updates)) == (3, 1)
        failed, undeclared = result.failed_updates
        assert failed.key == key_hash_of("sk-unknown-0123456789")
        assert (undeclared.key, "policies" in undeclared.failed_reason) == (made.token, True)
        assert (await house.call(keys.info, {"key": made.key})).info.rpm_limit is None

    in_house(postgres_dsn, scenario)


def test_a_viewer_looks_and_does_not_touch(postgres_dsn: str) -> None:
    viewer = Caller(role=PROXY_ADMIN_VIEWER, key_hash="f" * 8, user_id="eve")

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {})
        assert (await house.call(keys.info, {"key": made.key}, by=viewer)).key == made.key
        with pytest.raises(GatewayError):
            await house.call(keys.delete, {"keys": [made.key]}, by=viewer)
        assert (await house.call(keys.list_keys)).total_count == 1

    in_house(postgres_dsn, scenario)


def test_a_temporary_increase_needs_its_end(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        ends = (NOW + timedelta(days=7)).isoformat()
        made = await house.call(
            keys.generate,
            {"max_budget": 1, "temp_budget_increase": 2.5, "temp_budget_expiry": ends},
        )
        assert bytes(made.metadata["temp_budget_increase"]) == b"2.5"
        with pytest.raises(InvalidRequest, match="zone"):
            await house.call(
                keys.update,
                {"key": made.key, "temp_budget_increase": 1, "temp_budget_expiry": "2026-12-01T00:00:00"},
            )

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("by", [ADA, LEAD], ids=["owner", "team admin"])
def test_only_an_admin_takes_a_guardrail_away_from_a_key(postgres_dsn: str, by: Caller) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        owned: dict[str, Any] = {} if by is ADA else {"team_id": "red"}
        key = (await house.call(keys.generate, owned, by=by)).key
        await house.call(keys.update, {"key": key, "guardrails": ["pii"]})
        lifting: list[dict[str, Any]] = [{"guardrails": []}, {"guardrails": None}]
        for change in (*lifting, {"metadata": {"guardrails": ["other"]}}):
            with pytest.raises(NotAllowed, match="guardrails"):
                await house.call(keys.update, {"key": key, **change}, by=by)
        await house.call(keys.update, {"key": key, "guardrails": ["more", "pii"]}, by=by)
        await house.call(keys.update, {"key": key, "metadata": {}}, by=by)
        shown = await house.call(keys.info, {"key": key})
        assert msgspec.json.decode(shown.info.metadata["guardrails"]) == ["more", "pii"]
        await house.call(keys.update, {"key": key, "guardrails": []})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("by", [ADA, LEAD], ids=["owner", "team admin"])
@pytest.mark.parametrize("first", ["nothing", "alias", "metadata", "block", "regenerate"])
def test_only_an_admin_lets_the_calls_of_a_key_that_stays_local_leave(
    postgres_dsn: str, by: Caller, first: str
) -> None:
    """Whatever its owner, or the admin of its team, changed before: then the last change is theirs."""

    async def scenario(house: House) -> None:
        await peopled(house)
        owned: dict[str, Any] = {} if by is ADA else {"team_id": "red"}
        made = await house.call(keys.generate, owned, by=by)
        key = made.key
        await house.call(keys.update, {"key": key, "local_only": True})
        match first:
            case "alias":
                await house.call(keys.update, {"key": key, "key_alias": "mine"}, by=by)
            case "metadata":
                await house.call(keys.update, {"key": key, "metadata": {}}, by=by)
            case "block":
                await house.call(keys.block, {"key": key}, by=by)
                await house.call(keys.unblock, {"key": key}, by=by)
            case "regenerate":
                key = (await house.call(keys.regenerate_named, {"key": key}, by=by)).key
        for change in ({"local_only": False}, {"local_only": None}, {"metadata": {"local_only": False}}):
            with pytest.raises(NotAllowed, match="local_only"):
                await house.call(keys.update, {"key": key, **change}, by=by)
        found = await house.call(keys.bulk_update, {"keys": [{"key": key, "local_only": False}]}, by=by)
        assert found.successful_updates == []
        shown = await house.call(keys.info, {"key": key})
        assert shown.info.metadata["local_only"] == msgspec.Raw(b"true")
        await house.call(keys.update, {"key": key, "local_only": False})

    in_house(postgres_dsn, scenario)
