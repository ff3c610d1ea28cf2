"""The router's settings, fallbacks, and the hosts' config files."""

from typing import Any

import pytest

from functions import router_config
from schema.errors.models import ModelNotFound
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from tests.functions.governed import House, in_house
from tests.functions.registered import STORING, registered

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
        ({"router_settings": {"fallbacks": {"gpt": "claude"}}}, "router_settings.fallbacks"),
        ({"router_settings": {"timeout": "os.environ/PATH"}}, "api_env_allowlist"),
        ({"general_settings": {"master_key": "sk-x"}}, "general_settings"),
        ({"litellm_settings": {"drop_params": True}}, "litellm_settings"),
        ({"environment_variables": {"PATH": "x"}}, "environment_variables"),
    ],
)
def test_a_setting_that_could_not_be_in_force_is_refused(
    postgres_dsn: str, body: dict[str, Any], says: str
) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=says):
            await house.call(router_config.update, body)
        assert found.swaps == []
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_Config"') == 0

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
