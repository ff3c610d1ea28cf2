"""What `GET /router/settings` tells of each setting: its value, its source, why a stored one is refused."""

from functions import router_config
from tests.functions.governed import House, in_house
from tests.functions.registered import STORING, registered
from tests.functions.test_router_config import OF_THE_FILE, set_by_sql, stored_settings


async def field(house: House, name: str) -> tuple[object, str, str | None]:
    shown = await house.call(router_config.settings)
    (found,) = (each for each in shown.fields if each.field_name == name)
    return found.field_value, found.source, found.refused


def test_settings_of_the_file_are_told_in_whichever_section_they_stand(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        lists = [{"gpt": ["claude"]}, {"claude": ["gpt"]}]
        there = {
            **{"num_retries": 7, "request_timeout": 40, "allowed_fails": 4, "fallbacks": lists},
            "default_fallbacks": ["claude"],
        }
        document = {**STORING, "litellm_settings": there, "router_settings": {"fallbacks": []}}
        found = registered(house, document)
        for name, value in (
            *(("num_retries", 7), ("timeout", 40), ("allowed_fails", 4), ("fallbacks", lists)),
            ("default_fallbacks", ["claude"]),
        ):
            assert await field(house, name) == (value, "config", None)
        assert found.live.in_force.checked.routing.fallbacks["gpt"] == ("claude",), (
            "an empty list says nothing"
        )
        assert (await house.call(router_config.fallback, {"model": "gpt"})).fallback_models == ["claude"]
        assert (await house.call(router_config.settings)).current_values["timeout"] == 40
        more = [*lists, {"mistral-local": ["gpt"]}]
        stored: dict[str, object] = {"timeout": 9, "fallbacks": more, "default_fallbacks": []}
        await house.call(router_config.update, {"router_settings": stored})
        for name, kept in stored.items():
            assert await field(house, name) == (kept, "database", None)
        assert found.swaps[-1].routing.fallbacks.keys() == {"gpt", "claude", "mistral-local"}

    in_house(postgres_dsn, scenario)


def test_a_refused_stored_setting_is_told_with_the_reason_and_can_be_taken_away(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await set_by_sql(house, {"num_retries": "many", "retry_after": "soon", "newer": 1, "timeout": 30})
        await found.live.refresh()
        value, source, refused = await field(house, "num_retries")
        assert (value, source) == (1, "config")
        assert (refused or "").startswith("router_settings.num_retries: ")
        value, source, refused = await field(house, "retry_after")
        assert (value, source) == (None, "default")
        assert (refused or "").startswith("router_settings.retry_after: ")
        assert await field(house, "timeout") == (30, "database", None)
        (unknown,) = (await house.call(router_config.settings)).unknown_settings
        assert (unknown.field_name, unknown.refused) == (
            *("newer", "router_settings.newer: this version has no such setting"),
        )
        gone = {"num_retries": None, "retry_after": None, "newer": None}
        await house.call(router_config.update, {"router_settings": gone})
        assert await field(house, "num_retries") == (1, "config", None)
        assert (await house.call(router_config.settings)).unknown_settings == []
        assert await stored_settings(house) == {"timeout": 30}

    in_house(postgres_dsn, scenario)


def test_settings_that_are_no_object_can_be_taken_away_by_the_name_that_is_told(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, OF_THE_FILE)
        await set_by_sql(house, [1])
        await found.live.refresh()
        (unknown,) = (await house.call(router_config.settings)).unknown_settings
        assert unknown.refused == "router_settings: expected an object"
        await house.call(router_config.update, {"router_settings": {unknown.field_name: None}})
        assert await stored_settings(house) == {}
        assert (await house.call(router_config.settings)).unknown_settings == []

    in_house(postgres_dsn, scenario)
