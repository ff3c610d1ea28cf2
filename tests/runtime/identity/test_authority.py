"""What rows in the tables mean for a key: its role, models and budgets, and whether it may come in."""

import asyncio
from decimal import Decimal

import pytest

from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, INTERNAL_USER, INTERNAL_USER_VIEWER, SERVICE_KEY, TEAM_ADMIN
from runtime.identity.authority import Authority
from runtime.identity.authority_reader import AuthorityReader
from runtime.postgres.database import Database
from schema.cache_options import NO_CACHE_CONTROLS
from schema.errors.base import GatewayError
from schema.errors.callers import BlockedKey
from schema.limits import Rule
from tests.conftest import execute

KEY = """INSERT INTO "LiteLLM_VerificationToken" (token, {}) VALUES ('k', {})"""
USER = """INSERT INTO "LiteLLM_UserTable" (user_id, {}) VALUES ('ada', {})"""
TEAM = """INSERT INTO "LiteLLM_TeamTable" (team_id, {}) VALUES ('red', {})"""
PROJECT = """INSERT INTO "LiteLLM_ProjectTable" (project_id, {}) VALUES ('alpha', {})"""


def row(table: str, **values: object) -> str:
    def literal(value: object) -> str:
        return "null" if value is None else f"'{value}'"

    return table.format(", ".join(values), ", ".join(map(literal, values.values())))


def authority(dsn: str, *statements: str, policy: Policy | None = None) -> Authority:
    execute(dsn, *statements)

    async def run() -> Authority | None:
        database = await Database.connect(dsn)
        try:
            return await AuthorityReader(policy or Policy(), database).find("k")
        finally:
            await database.close()

    found = asyncio.run(run())
    assert found is not None
    return found


def rules(found: Authority) -> dict[str, Rule]:
    assert found.caller is not None, found.refusal
    return {rule.account: rule for rule in found.caller.rules}


@pytest.mark.parametrize(
    ("role", "meant"),
    [
        (None, INTERNAL_USER),
        (DEVOPS, DEVOPS),
        ("proxy_admin", "proxy_admin"),
        ("PROXY_ADMIN", INTERNAL_USER_VIEWER),
        ("root", INTERNAL_USER_VIEWER),
        (SERVICE_KEY, INTERNAL_USER_VIEWER),
        (TEAM_ADMIN, INTERNAL_USER_VIEWER),
    ],
)
def test_a_keys_role_is_its_users_and_an_unknown_one_is_the_least(
    postgres_dsn: str, role: str | None, meant: str
) -> None:
    found = authority(postgres_dsn, row(USER, user_role=role), row(KEY, user_id="ada"))
    assert found.caller is not None
    assert found.caller.role == meant


def test_a_key_without_a_user_is_a_service_key_without_limits(postgres_dsn: str) -> None:
    found = authority(postgres_dsn, row(KEY, key_alias="ci"))
    assert found.caller is not None
    assert (found.caller.role, found.caller.rules, found.caller.models) == (SERVICE_KEY, (), ())
    assert found.topics == {"key:k"}


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ((row(KEY, blocked="true"),), "key is blocked"),
        ((row(KEY, user_id="gone"),), "user of this API key no longer exists"),
        ((row(KEY, team_id="gone"),), "team of this API key no longer exists"),
        ((row(KEY, organization_id="gone"),), "organization of this API key no longer exists"),
        (
            (
                """INSERT INTO "LiteLLM_BudgetTable" (budget_id) VALUES ('b')""",
                """INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
                   VALUES ('x', 'x', 'b'), ('y', 'y', 'b')""",
                row(TEAM, organization_id="x"),
                row(KEY, team_id="red", organization_id="y"),
            ),
            "of different organizations",
        ),
        ((row(USER, blocked="true"), row(KEY, user_id="ada")), "the user of this API key is blocked"),
        ((row(TEAM, blocked="true"), row(KEY, team_id="red")), "the team of this API key is blocked"),
        (
            (
                """INSERT INTO "LiteLLM_BudgetTable" (budget_id) VALUES ('b')""",
                """INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id,
                   blocked) VALUES ('acme', 'a', 'b', true)""",
                row(TEAM, organization_id="acme"),
                row(KEY, team_id="red"),
            ),
            "the organization of this API key is blocked",
        ),
    ],
)
def test_what_is_blocked_or_gone_keeps_the_key_out(
    postgres_dsn: str, statements: tuple[str, ...], says: str
) -> None:
    found = authority(postgres_dsn, *statements)
    assert found.caller is None
    assert found.refusal is not None
    refused = found.refusal.error()
    assert isinstance(refused, BlockedKey)
    assert says in refused.message


@pytest.mark.parametrize(
    "limits",
    [
        {"max_budget": "NaN"},
        {"max_budget": "Infinity"},
        {"max_budget": "-1"},
        {"budget_duration": "often", "max_budget": "1"},
        {"budget_limits": '[{"max_budget": 1}]'},
        {"model_max_budget": '{"m": 5}'},
        {"metadata": '{"model_rpm_limit": "many"}'},
    ],
)
def test_a_limit_that_nobody_can_read_is_not_taken_for_none(
    postgres_dsn: str, limits: dict[str, str]
) -> None:
    found = authority(postgres_dsn, row(KEY, **limits))
    assert found.caller is None
    assert found.refusal is not None
    assert found.refusal.kind is GatewayError
    assert "key:k" in found.topics, "it is read again when it is mended"


def test_every_level_has_its_rules_and_is_heard_of(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn,
        """INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, rpm_limit) VALUES
           ('of-member', 2, 7), ('of-org', 50, null), ('of-key', 9, 3)""",
        """INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
           VALUES ('acme', 'Acme', 'of-org')""",
        row(USER, max_budget="5", rpm_limit="11"),
        row(
            TEAM, max_budget="20", organization_id="acme", member_budget_id="of-member", budget_duration="7d"
        ),
        """INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id) VALUES ('ada', 'red')""",
        row(
            KEY,
            user_id="ada",
            team_id="red",
            budget_id="of-key",
            rpm_limit="60",
            budget_limits='[{"budget_duration": "1d", "max_budget": 1}]',
            model_max_budget='{"gpt-4": {"budget_limit": 0.5, "time_period": "1d", "rpm_limit": 2}}',
            metadata='{"model_tpm_limit": {"gpt-4": 100}}',
        ),
    )
    known = rules(found)
    assert {account: rule.limit for account, rule in known.items()} == {
        "money:key:k": 9 * 10**9,
        "money:key:k:window:1d": 10**9,
        "money:key:k:model:gpt-4": 5 * 10**8,
        "rpm:key:k": 60,
        "rpm:key:k:model:gpt-4": 2,
        "tpm:key:k:model:gpt-4": 100,
        "rpm:user:ada": 11,
        "money:team:red": 20 * 10**9,
        "money:member:red:ada": 2 * 10**9,
        "rpm:member:red:ada": 7,
        "money:organization:acme": 50 * 10**9,
    }
    assert known["money:team:red"].duration == "7d"
    assert known["rpm:key:k:model:gpt-4"].model == "gpt-4"
    assert known["money:member:red:ada"].holder.part == "ada"
    assert found.topics == {
        "key:k",
        "user:ada",
        "team:red",
        "organization:acme",
        "budget:of-key",
        "budget:of-member",
        "budget:of-org",
    }


def test_what_a_key_may_say_of_the_cache_is_the_keys(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn,
        row(TEAM, metadata='{"allowed_cache_controls": ["ttl"]}'),
        row(KEY, team_id="red", metadata='{"allowed_cache_controls": ["no-cache"]}'),
    )
    assert found.caller is not None
    assert found.caller.cache_controls == ("no-cache",)


@pytest.mark.parametrize(
    ("key", "user", "together"),
    [
        ("{}", "{}", ()),
        ("{}", '{"allowed_cache_controls": ["ttl"]}', ("ttl",)),
        ('{"allowed_cache_controls": []}', '{"allowed_cache_controls": ["ttl"]}', ("ttl",)),
        ('{"allowed_cache_controls": ["no-cache"]}', '{"allowed_cache_controls": []}', ("no-cache",)),
        (
            '{"allowed_cache_controls": ["no-cache", "ttl"]}',
            '{"allowed_cache_controls": ["ttl", "no-store"]}',
            ("ttl",),
        ),
        (
            '{"allowed_cache_controls": ["no-cache"]}',
            '{"allowed_cache_controls": ["ttl"]}',
            NO_CACHE_CONTROLS,
        ),
        ("{}", '{"allowed_cache_controls": "no-cache"}', NO_CACHE_CONTROLS),
        ('{"allowed_cache_controls": ["ttl"]}', '{"allowed_cache_controls": [7]}', NO_CACHE_CONTROLS),
        ('{"allowed_cache_controls": {"ttl": true}}', "{}", NO_CACHE_CONTROLS),
        ('{"allowed_cache_controls": null}', '{"allowed_cache_controls": null}', ()),
    ],
)
def test_a_request_may_say_of_the_cache_what_key_and_user_both_allow(
    postgres_dsn: str, key: str, user: str, together: tuple[str, ...]
) -> None:
    found = authority(postgres_dsn, row(USER, metadata=user), row(KEY, user_id="ada", metadata=key))
    assert found.caller is not None
    assert found.caller.cache_controls == together


def test_tags_are_the_keys_and_its_teams_and_what_is_no_list_is_none(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn,
        row(TEAM, metadata='{"tags": ["b", "c"]}'),
        row(KEY, team_id="red", metadata='{"tags": ["a", "b"]}'),
    )
    assert found.caller is not None
    assert found.caller.tags == ("a", "b", "c")
    again = authority(postgres_dsn, """UPDATE "LiteLLM_TeamTable" SET metadata = '{"tags": "prod"}'""")
    assert again.caller is not None
    assert again.caller.tags == ("a", "b")


def test_a_users_budget_counts_for_team_keys_only_where_the_config_says_so(postgres_dsn: str) -> None:
    team = row(TEAM, team_alias="Red")
    statements = (row(USER, max_budget="5"), team, row(KEY, user_id="ada", team_id="red"))
    assert "money:user:ada" not in rules(authority(postgres_dsn, *statements))
    policy = Policy(apply_user_budget_to_team_keys=True)
    assert "money:user:ada" in rules(authority(postgres_dsn, policy=policy))


def test_a_temporary_increase_ends(postgres_dsn: str) -> None:
    metadata = '{"temp_budget_increase": 2.5, "temp_budget_expiry": "2026-12-01T00:00:00Z"}'
    (rule,) = rules(authority(postgres_dsn, row(KEY, max_budget="1", metadata=metadata))).values()
    before, after = 1_764_547_199, 1_796_083_200
    assert rule.limit_at(before) == int(Decimal("3.5") * 10**9)
    assert rule.limit_at(after) == 10**9


def test_lists_of_models_add_up_and_groups_are_opened(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn,
        """INSERT INTO "LiteLLM_AccessGroupTable" (access_group_id, access_group_name, access_model_names)
           VALUES ('g1', 'fast', '{llama,phi}'), ('g2', 'other', '{gpt-5}')""",
        row(TEAM, models="{gpt-4,fast}"),
        row(KEY, team_id="red", models="{claude}", access_group_ids="{g2}"),
    )
    assert found.caller is not None
    assert {each.level: set(each.names) for each in found.caller.models} == {
        "key": {"claude", "gpt-5"},
        "team": {"gpt-4", "fast", "llama", "phi"},
    }


def test_all_team_models_leaves_it_to_the_team(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn, row(TEAM, models="{gpt-4}"), row(KEY, team_id="red", models="{all-team-models}")
    )
    assert found.caller is not None
    assert [each.level for each in found.caller.models] == ["team"]


def test_a_group_that_is_gone_allows_nothing(postgres_dsn: str) -> None:
    found = authority(postgres_dsn, row(KEY, access_group_ids="{gone}"))
    assert found.caller is not None
    assert [each.names for each in found.caller.models] == [()]


def test_ids_that_look_like_accounts_do_not_run_into_each_other(postgres_dsn: str) -> None:
    found = authority(
        postgres_dsn,
        """INSERT INTO "LiteLLM_TeamTable" (team_id, max_budget) VALUES ('a:window:1d', 1)""",
        row(KEY, team_id="a:window:1d"),
    )
    assert list(rules(found)) == ["money:team:a%3Awindow%3A1d"]


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({}, None),
        ({"key": "true"}, True),
        ({"key": "true", "user": "false"}, False),
        ({"user": "false", "team": "true"}, True),
        ({"organization": "true", "key": "false"}, True),
        ({"organization": "true", "team": "false"}, False),
        ({"team": "null", "key": "true"}, True),
        ({"team": '"perhaps"', "key": "true"}, False),
    ],
)
@pytest.mark.parametrize(
    ("setting", "field"),
    [("store_prompts_in_spend_logs", "stores_bodies"), ("store_responses", "stores_responses")],
)
def test_who_says_first_whether_prompts_and_responses_are_kept(
    postgres_dsn: str, said: dict[str, str], stored: bool | None, setting: str, field: str
) -> None:
    def metadata(name: str) -> str:
        return f'{{"{setting}": {said[name]}}}' if name in said else "{}"

    caller = authority(
        postgres_dsn,
        "INSERT INTO \"LiteLLM_BudgetTable\" (budget_id) VALUES ('b')",
        row(
            "INSERT INTO \"LiteLLM_OrganizationTable\" (organization_id, {}) VALUES ('acme', {})",
            organization_alias="Acme",
            budget_id="b",
            metadata=metadata("organization"),
        ),
        row(TEAM, organization_id="acme", metadata=metadata("team")),
        row(USER, metadata=metadata("user")),
        row(KEY, user_id="ada", team_id="red", metadata=metadata("key")),
    ).caller
    assert caller is not None
    assert getattr(caller, field) is stored
    other = {"stores_bodies", "stores_responses"} - {field}
    assert [getattr(caller, name) for name in other] == [None]


@pytest.mark.parametrize(
    ("said", "caches"), [("true", True), ("false", False), ("null", False), ("1", False)]
)
def test_a_key_may_have_its_prompts_cached(postgres_dsn: str, said: str, caches: bool) -> None:
    metadata = f'{{"enable_prompt_caching": {said}}}'
    caller = authority(postgres_dsn, row(KEY, metadata=metadata)).caller
    assert caller is not None
    assert caller.caches_prompts is caches


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ({}, ""),
        ({"key": "false"}, ""),
        ({"key": "null", "team": "false"}, ""),
        ({"key": "true"}, "key"),
        ({"key": "false", "team": "true"}, "team"),
        ({"key": "true", "team": "false"}, "key"),
        ({"organization": "true", "team": "false", "key": "false"}, "organization"),
        ({"user": "true"}, "user"),
        ({"project": "true"}, "project"),
        ({"project": "false"}, ""),
        ({"project": "true", "team": "false", "key": "false"}, "project"),
        ({"project": "true", "organization": "true"}, "organization"),
        ({"project": "null", "key": "true"}, "key"),
        ({"project": "[]"}, "project"),
        ({"team": '"perhaps"'}, "team"),
        ({"team": "0"}, "team"),
    ],
)
def test_anybody_over_a_call_can_keep_it_local(postgres_dsn: str, said: dict[str, str], who: str) -> None:
    def metadata(name: str) -> str:
        return f'{{"local_only": {said[name]}}}' if name in said else "{}"

    caller = authority(
        postgres_dsn,
        "INSERT INTO \"LiteLLM_BudgetTable\" (budget_id) VALUES ('b')",
        row(
            "INSERT INTO \"LiteLLM_OrganizationTable\" (organization_id, {}) VALUES ('acme', {})",
            organization_alias="Acme",
            budget_id="b",
            metadata=metadata("organization"),
        ),
        row(TEAM, organization_id="acme", metadata=metadata("team")),
        row(USER, metadata=metadata("user")),
        row(PROJECT, team_id="red", metadata=metadata("project")),
        row(KEY, user_id="ada", team_id="red", project_id="alpha", metadata=metadata("key")),
    ).caller
    assert caller is not None
    assert (caller.local_only, caller.keeps_local_bodies) == (who, False)


def test_a_team_may_want_the_bodies_of_local_calls_stored(postgres_dsn: str) -> None:
    caller = authority(
        postgres_dsn,
        row(TEAM, metadata='{"local_only": true, "store_local_bodies": true}'),
        row(KEY, team_id="red", metadata="{}"),
    ).caller
    assert caller is not None
    assert (caller.local_only, caller.keeps_local_bodies) == ("team", True)
