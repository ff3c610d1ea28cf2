"""The router's settings, fallbacks, and the hosts' config files."""

import json
import re
from typing import Any

import pytest

from functions import router_config, stored_models
from models_registry.config.sections import RouterSettings
from runtime.blueprint import check
from schema.errors.models import ModelNotFound
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from tests.functions.governed import House, in_house
from tests.functions.registered import STORING, Registered, registered

OF_THE_FILE = {**STORING, "router_settings": {"num_retries": 1, "fallbacks": [{"gpt": ["claude"]}]}}


def test_a_stored_setting_counts_before_the_files_until_it_is_taken_away(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await house.call(router_config.update, {"router_settings": {"num_retries": 5, "timeout": 30}})
        assert found.swaps[-1].routing.retries == 5
        assert found.models.of_team(None).target("gpt", allowed=(), roll=0.0).deadlines.total_s == 30
        shown = await house.call(router_config.settings)
        assert shown.current_values == {
            "num_retries": 5,
            "timeout": 30,
            "fallbacks": [{"gpt": ["claude"]}],
        }
        sources = {each.field_name: each.source for each in shown.fields}
        assert (sources["num_retries"], sources["fallbacks"], sources["retry_after"]) == (
            "database",
            "config",
            "default",
        )
        await house.call(router_config.update, {"router_settings": {"num_retries": None}})
        assert found.swaps[-1].routing.retries == 1

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"router_settings": {"num_retries": "many"}}, "router_settings.num_retries"),
        ({"router_settings": {"num_retries": 10_000}}, "num_retries"),
        ({"router_settings": {"nosuch": 1}}, "router_settings.nosuch"),
        (
            {"router_settings": {"routing_strategy": "round-robin", "num_retries": 5}},
            "routing_strategy: 'round-robin' is none of simple-shuffle, least-busy, latency-based-routing, "
            "usage-based-routing, usage-based-routing-v2, cost-based-routing",
        ),
        ({"router_settings": {"routing_strategy": ""}}, "routing_strategy: '' is none of simple-shuffle"),
        (
            {"router_settings": {"optional_pre_call_checks": ["session_affinity", "stickiness"]}},
            "optional_pre_call_checks: 'stickiness' is none of deployment_affinity, "
            "enforce_model_rate_limits",
        ),
        ({"router_settings": {"fallbacks": {"gpt": "claude"}}}, "router_settings.fallbacks"),
        ({"router_settings": {"timeout": "os.environ/PATH"}}, "timeout: a variable .* config file alone"),
        ({"router_settings": {"timeout": "os.environ/ALLOWED"}}, "timeout: a variable .* config file alone"),
        ({"router_settings": {"routing_strategy": "os.environ/ALLOWED"}}, "routing_strategy: a variable"),
        ({"router_settings": {"default_fallbacks": ["os.environ/ALLOWED"]}}, "default_fallbacks: a variable"),
        ({"router_settings": {"fallbacks": [{"os.environ/ALLOWED": ["gpt"]}]}}, "fallbacks: a variable"),
        ({"router_settings": {"model_group_alias": {"a": {"model": "os.environ/ALLOWED"}}}}, "a variable"),
        ({"general_settings": {"master_key": "sk-x"}}, "general_settings"),
        ({"litellm_settings": {"drop_params": True}}, "litellm_settings"),
        ({"environment_variables": {"PATH": "x"}}, "environment_variables"),
    ],
)
def test_a_setting_that_could_not_be_in_force_is_refused(
    postgres_dsn: str, body: dict[str, Any], says: str
) -> None:
    async def scenario(house: House) -> None:
        general = {**STORING["general_settings"], "api_env_allowlist": ["ALLOWED"]}
        found = registered(house, {**STORING, "general_settings": general}, env={"ALLOWED": "gpt"})
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=says):
            await house.call(router_config.update, body)
        assert found.swaps == []
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_Config"') == 0

    in_house(postgres_dsn, scenario)


TAKEN: dict[str, Any] = {
    "routing_strategy": "least-busy",
    "num_retries": 3,
    "timeout": 30,
    "stream_timeout": 20,
    "retry_after": 1,
    "retry_policy": {"RateLimitErrorRetries": 3},
    "model_group_retry_policy": {"gpt": {"TimeoutErrorRetries": 1}},
    "allowed_fails": 5,
    "allowed_fails_policy": {"BadGatewayErrorAllowedFails": 5},
    "cooldown_time": 9,
    "disable_cooldowns": False,
    "fallbacks": [{"gpt": ["claude"]}],
    "context_window_fallbacks": [{"gpt": ["claude"]}],
    "content_policy_fallbacks": [{"gpt": ["claude"]}],
    "default_fallbacks": ["claude"],
    "max_fallbacks": 3,
    "model_group_alias": {"a": {"model": "gpt", "hidden": True}},
    "enable_pre_call_checks": True,
    "optional_pre_call_checks": ["session_affinity", "enforce_model_rate_limits"],
    "enable_tag_filtering": True,
    "tag_filtering_match_any": False,
    "provider_budget_config": {"openai": {"budget_limit": 5, "time_period": "1d"}},
    "default_max_parallel_requests": 9,
    "fallback_on_unsupported_params": False,
    "enable_health_check_routing": True,
    "health_check_staleness_threshold": 60,
}
"""Settings of LiteLLM's router that count here."""
REFUSED = (
    *("routing_strategy_args", "routing_groups", "weights", "default_litellm_params", "max_retries"),
    *("enable_weighted_failover", "enable_mid_stream_fallback_continuation", "default_priority"),
    *("redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "cache_responses"),
    *("caching_groups", "client_ttl", "deployment_affinity_ttl_seconds", "tag_routing_prefix"),
    *("alerting_config", "cache_kwargs", "debug_level", "set_verbose", "model_group_affinity_config"),
    *("polling_interval", "router_general_settings", "assistants_config", "ignore_invalid_deployments"),
)
"""LiteLLM's other ones."""


def test_each_setting_of_litellms_router_is_taken_or_refused_by_name(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await house.call(router_config.update, {"router_settings": TAKEN})
        shown = await house.call(router_config.settings)
        assert {each.field_name for each in shown.fields if each.source == "database"} == set(TAKEN)
        assert found.swaps[-1].routing.retries == 3
        for name in REFUSED:
            with pytest.raises(
                UnsupportedParameter, match=f"router_settings.{name}: not supported"
            ) as caught:
                await house.call(router_config.update, {"router_settings": {name: 1}})
            assert caught.value.param == f"router_settings.{name}"
        assert await stored_settings(house) == TAKEN

    in_house(postgres_dsn, scenario)


def test_each_setting_is_told_with_its_type_and_meaning(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house, OF_THE_FILE)
        fields = {each.field_name: each for each in (await house.call(router_config.settings)).fields}
        assert fields.keys() == set(RouterSettings.__struct_fields__)
        for name, field in fields.items():
            annotation = str(RouterSettings.__annotations__[name])
            of_type = {
                "Boolean": "bool",
                "Integer": "int",
                "Float": "float",
                "List": r"list\[str\]",
                "String": "str",
                "Dictionary": "dict|list",
            }[field.field_type]
            assert re.search(of_type, annotation), (name, annotation)
            assert field.field_description
        assert fields["routing_strategy"].options is not None
        assert "least-busy" in fields["routing_strategy"].options
        for strategy in fields["routing_strategy"].options:
            await house.call(router_config.update, {"router_settings": {"routing_strategy": strategy}})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_may_have_each_of_the_others_and_is_told_that_it_has_no_effect(name: str) -> None:
    checked = check({**STORING, "router_settings": {name: 1}}, {})
    assert checked.errors == ()
    (said,) = (each for each in checked.warnings if f"router_settings.{name}" in each)
    assert said.endswith(("has no effect in this version", "belongs in `litellm_params`")), said


async def stored_settings(house: House) -> Any:
    sql = "SELECT param_value::text FROM \"LiteLLM_Config\" WHERE param_name = 'router_settings'"
    return json.loads(await house.database.pool.fetchval(sql))


async def set_by_sql(house: House, settings: object) -> None:
    await house.database.pool.execute('DELETE FROM "LiteLLM_Config"')
    await house.database.pool.execute(
        "INSERT INTO \"LiteLLM_Config\" (param_name, param_value) VALUES ('router_settings', $1)",
        json.dumps(settings),
    )


def test_a_host_tells_what_any_of_its_workers_can_not_use(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house, OF_THE_FILE)
        await house.call(router_config.hosts)
        for name, refused in (("second", ["b", "c"]), ("third", ["a", "b"])):
            await house.database.pool.execute(
                """
                INSERT INTO "Switchgear_HostConfig" (worker, host, file_hash, flaw, models, loaded_at,
                    settings_refused, needs_restart, seen_at)
                SELECT $1, host, file_hash, flaw, models, loaded_at, $2, needs_restart, seen_at
                FROM "Switchgear_HostConfig" LIMIT 1
                """,
                *(name, refused),
            )
        (host,) = (await house.call(router_config.hosts)).hosts
        assert (host.workers, sorted(host.settings_refused)) == (3, ["a", "b", "c"])

    in_house(postgres_dsn, scenario)


def test_a_setting_of_another_version_is_named_and_hinders_no_change(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        assert (await house.call(router_config.hosts)).settings_refused == []
        wrong = {"num_retries": "many", "fallbacks": {"gpt": "claude"}, "newer": 1}
        await set_by_sql(house, {**wrong, "timeout": 30})
        for _ in range(2):  # as it was stored a moment ago, and after the refresh
            shown = await house.call(router_config.fallback, {"model": "gpt"})
            assert shown.fallback_models == ["claude"], "the file's"
            await found.live.refresh()
        said = (await house.call(router_config.hosts)).settings_refused
        assert [each.partition(":")[0] for each in said] == [
            *("router_settings.newer", "router_settings.fallbacks", "router_settings.num_retries")
        ]
        sources = {each.field_name: each.source for each in (await house.call(router_config.settings)).fields}
        assert (sources["timeout"], sources["num_retries"]) == ("database", "config")
        params = {"model": "openai/gpt-4o", "api_key": "sk-of-the-test"}
        await house.call(stored_models.new, {"model_name": "more", "litellm_params": params})
        await house.call(router_config.update, {"router_settings": {"timeout": 40, "retry_after": 2}})
        assert found.swaps[-1].config.router_settings.timeout == 40
        assert await stored_settings(house) == {**wrong, "timeout": 40, "retry_after": 2}
        for again in ({"num_retries": "more"}, {"allowed_fails": "x"}):
            with pytest.raises(InvalidRequest, match=f"router_settings.{next(iter(again))}"):
                await house.call(router_config.update, {"router_settings": again})
        await house.call(router_config.set_fallback, {"model": "claude", "fallback_models": ["gpt"]})
        await house.call(router_config.update, {"router_settings": {"num_retries": None, "newer": None}})
        assert await stored_settings(house) == {
            "timeout": 40,
            "retry_after": 2,
            "fallbacks": [{"gpt": ["claude"]}, {"claude": ["gpt"]}],
        }
        assert (await house.call(router_config.hosts)).settings_refused == []

    in_house(postgres_dsn, scenario)


def test_settings_that_are_no_object_are_named_until_others_are_stored(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await set_by_sql(house, [1])
        await found.live.refresh()
        told = await house.call(router_config.hosts)
        assert told.settings_refused == ["router_settings: expected an object"]
        await house.call(router_config.update, {"router_settings": {"timeout": 40}})
        assert await stored_settings(house) == {"timeout": 40}
        assert (await house.call(router_config.hosts)).settings_refused == []
        await set_by_sql(house, [1])
        await found.live.refresh()
        await house.call(router_config.update, {"router_settings": {"timeout": None}})
        assert await stored_settings(house) == {}
        assert (await house.call(router_config.hosts)).settings_refused == []

    in_house(postgres_dsn, scenario)


def test_wrong_settings_of_the_cache_are_named_beside_the_routers(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await house.database.pool.execute(
            "INSERT INTO \"LiteLLM_Config\" (param_name, param_value) VALUES ('cache_settings', $1)",
            '{"ttl": "x"}',
        )
        await found.live.refresh()
        (said,) = (await house.call(router_config.hosts)).settings_refused
        assert said.startswith("cache_settings.ttl")

    in_house(postgres_dsn, scenario)


def test_each_host_names_the_stored_settings_that_it_cannot_use(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        here = registered(house, OF_THE_FILE)
        there = Registered(house.database, STORING)
        there.hosts._host = "another-host"
        many = {f"newer_{number:02}": "x" * 1_000 for number in range(40)}
        await set_by_sql(house, {"num_retries": "many", **many})
        await there.live.refresh()
        there.live._restart_told = tuple(f"general_settings.s{number}" for number in range(40))
        await there.hosts.listed()
        told = await house.call(router_config.hosts)
        assert (told.settings_refused, told.needs_restart) == ([], []), "this host has not read it yet"
        (found,) = (each for each in told.hosts if each.host == "another-host")
        assert len(found.settings_refused) == len(found.needs_restart) == 20
        assert found.settings_refused[0].startswith("router_settings.newer_00")
        assert all(len(each) <= 300 for each in found.settings_refused)
        await here.live.refresh()
        told = await house.call(router_config.hosts)
        assert len(told.settings_refused) == 41
        assert [len(each.settings_refused) for each in told.hosts] == [20, 20]
        await set_by_sql(house, {})
        await there.live.refresh()
        (found,) = (each for each in await there.hosts.listed() if each.host == "another-host")
        assert found.settings_refused == []

    in_house(postgres_dsn, scenario)


def test_a_host_tells_a_flaw_that_no_column_can_hold(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        found.live.flaw = "line 3: a\0b \ud800 " + "x" * 10_000
        (told,) = (await house.call(router_config.hosts)).hosts
        assert (told.config_error or "").startswith("line 3: a\ufffdb ? x")
        assert len(told.config_error or "") == 2_000

    in_house(postgres_dsn, scenario)


def test_fallbacks_are_made_shown_and_taken_away(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        first = await house.call(router_config.fallback, {"model": "gpt"})
        assert first.fallback_models == ["claude"], "the file's"
        made = await house.call(
            router_config.set_fallback, {"model": "claude", "fallback_models": ["gpt", "mistral-local"]}
        )
        assert made.message == "Fallback configuration created successfully"
        assert found.swaps[-1].routing.fallbacks == {"gpt": ("claude",), "claude": ("gpt", "mistral-local")}
        again = await house.call(router_config.set_fallback, {"model": "claude", "fallback_models": ["gpt"]})
        assert again.message == "Fallback configuration updated successfully"
        await house.call(router_config.delete_fallback, {"model": "gpt"})
        assert found.swaps[-1].routing.fallbacks == {"claude": ("gpt",)}
        for function in (router_config.fallback, router_config.delete_fallback):
            with pytest.raises(NotFound):
                await house.call(function, {"model": "gpt"})
        window = {"model": "gpt", "fallback_models": ["claude"], "fallback_type": "context_window"}
        await house.call(router_config.set_fallback, window)
        assert found.swaps[-1].routing.context_window_fallbacks == {"gpt": ("claude",)}
        query = {"model": "gpt", "fallback_type": "context_window"}
        assert (await house.call(router_config.fallback, query)).fallback_models == ["claude"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("section", ["router_settings", "litellm_settings"])
def test_the_files_fallbacks_can_be_taken_away_in_whichever_section_they_stand(
    postgres_dsn: str, section: str
) -> None:
    async def scenario(house: House) -> None:
        file = {"fallbacks": [{"gpt": ["claude"]}], "default_fallbacks": ["claude"]}
        found = registered(house, {**STORING, section: file})
        await house.call(router_config.delete_fallback, {"model": "gpt"})
        assert found.swaps[-1].routing.fallbacks == {"*": ("claude",)}
        with pytest.raises(NotFound):
            await house.call(router_config.fallback, {"model": "gpt"})
        await house.call(router_config.update, {"router_settings": {"default_fallbacks": []}})
        assert found.swaps[-1].routing.fallbacks == {}
        await house.call(
            router_config.update, {"router_settings": {"fallbacks": None, "default_fallbacks": None}}
        )
        assert found.swaps[-1].routing.fallbacks == {"gpt": ("claude",), "*": ("claude",)}

    in_house(postgres_dsn, scenario)


def test_a_fallback_names_models_that_exist(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        for model, names, error in (
            ("nosuch", ["claude"], ModelNotFound),
            ("gpt", ["nosuch"], InvalidRequest),
            ("gpt", ["gpt"], InvalidRequest),
            ("gpt", [], InvalidRequest),
            ("gpt", ["claude", "claude"], InvalidRequest),
            ("gpt", [f"openai/{place}" for place in range(21)], InvalidRequest),
        ):
            with pytest.raises(error):
                await house.call(router_config.set_fallback, {"model": model, "fallback_models": names})
        await house.call(
            router_config.set_fallback, {"model": "gpt", "fallback_models": ["openai/o3"]}
        )  # a wildcard covers it

    in_house(postgres_dsn, scenario)


def test_hosts_tell_which_file_they_serve_with(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        alone = await house.call(router_config.hosts)
        assert (alone.same, len(alone.hosts), alone.needs_restart) == (True, 1, [])
        await house.database.pool.execute(
            'INSERT INTO "Switchgear_HostConfig" VALUES'
            " ('w', 'other-host', 'abcdef012345', 'line 3', 7, now(), now()),"
            " ('v', 'third-host', '012345abcdef', NULL, 7, now(), now()),"
            " ('gone', 'gone-host', 'fff', NULL, 7, now(), now() - interval '1 hour')"
        )
        both = await house.call(router_config.hosts)
        assert both.same is False
        other = next(each for each in both.hosts if each.host == "other-host")
        assert (other.config_hash, other.config_error, other.models) == ("abcdef012345", "line 3", 7)
        assert len(both.hosts) == 3, "a host that told nothing for long is gone"

    in_house(postgres_dsn, scenario)
