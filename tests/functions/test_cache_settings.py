"""The stored settings of the response cache: what is taken, what is refused, and where the password goes."""

from typing import Any

import pytest

from functions import cache
from models_registry.config.response_cache import CacheKind
from runtime.cache.response_cache import NO_SALT_KEY
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.secret import Secret
from tests.fakes.cache import local_cache
from tests.functions.governed import House, in_house
from tests.functions.registered import STORING, Registered, registered

PASSWORD = "the-password-of-redis"
REDIS = {"type": "redis", "host": "redis.lan", "port": 6380, "password": PASSWORD}
REDACTED = "***REDACTED***"
SALT, ALLOWED = "os.environ%2FSWITCHGEAR_SALT_KEY", "%6Fs.environ%2FALLOWED"
"""Variables as a part of a url may write them."""
VARIABLE = "os.environ/ALLOWED"
OF_THE_FILE = {
    **STORING,
    "litellm_settings": {"cache": True, "cache_params": {"ttl": 60, "namespace": "file"}},
}


def with_cache(house: House, document: dict[str, Any] = STORING, **more: Any) -> Registered:
    found = registered(house, document, **more)
    house.give(cache=local_cache())
    return found


async def save(house: House, **settings: object) -> dict[str, Any]:
    told = await house.call(cache.save_settings, {"cache_settings": settings})
    return told.settings


async def row(house: House) -> str:
    sql = "SELECT param_value::text FROM \"LiteLLM_Config\" WHERE param_name = 'cache_settings'"
    return str(await house.database.pool.fetchval(sql))


def password_of(found: Registered) -> str | None:
    place = found.swaps[-1].cache.redis
    return None if place is None or place.password is None else place.password.reveal()


def test_stored_settings_count_in_place_of_the_files_until_they_are_taken_away(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = with_cache(house, OF_THE_FILE)
        assert (await house.call(cache.settings)).source == "config"
        assert await save(house, type="postgres", ttl=9) == {"type": "postgres", "ttl": 9}
        rules = found.swaps[-1].cache
        assert (rules.kind, rules.ttl_s, rules.namespace) == (CacheKind.POSTGRES, 9, "")
        assert (await house.call(cache.settings)).source == "database"
        await save(house, type="off")
        assert not found.swaps[-1].cache.is_on
        assert await save(house) == {"type": "local"}
        assert found.swaps[-1].cache.kind is CacheKind.LOCAL
        told = await house.call(cache.save_settings, {"cache_settings": None})
        assert (told.status, told.settings) == ("success", {})
        rules = found.swaps[-1].cache
        assert (rules.kind, rules.ttl_s, rules.namespace) == (CacheKind.LOCAL, 60, "file")
        assert (await house.call(cache.settings)).source == "config"

    in_house(postgres_dsn, scenario)


def test_without_a_word_in_the_file_the_cache_is_off_by_default(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with_cache(house)
        assert (await house.call(cache.settings)).source == "default"

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"type": "nosuch"}, "cache_settings.type"),
        ({"type": "s3"}, "cache_settings.type"),
        ({"ttl": -1}, "cache_settings.ttl"),
        ({"ttl": "soon"}, "cache_settings.ttl"),
        ({"mode": "often"}, "cache_settings.mode"),
        ({"nosuch": 1}, "cache_settings.nosuch"),
        ({"type": "local", "host": "redis.lan"}, "cache_settings.host"),
        ({"type": "redis"}, "no `host` or `url`"),
        ({"type": "redis", "port": 6379}, "cache_settings.host"),
        ({"type": "redis", "password": "x"}, "cache_settings.host"),
        ({"type": "redis", "host": "a b"}, "cache_settings.host"),
        ({"type": "redis", "host": "169.254.169.254"}, "cache_settings.host"),
        ({"type": "redis", "host": "8.8.8.8", "residency": "local"}, "cache_settings.residency"),
        ({"type": "redis", "host": "redis.lan", "residency": "mars"}, "cache_settings.residency"),
        ({"type": "redis", "host": "redis.lan", "allow_public_local": True}, "allow_public_local"),
        ({"type": "postgres", "residency": "local"}, "cache_settings.residency"),
        ({"type": "redis", "url": "redis://[fd00:ec2::254]:6379"}, "cache_settings.host"),
        ({"type": "redis", "url": "http://redis.lan"}, "cache_settings.url"),
        ({"type": "redis", "host": "redis.lan", "port": 70_000}, "cache_settings.port"),
        ({"type": "redis", "host": "redis.lan", "password": ["x"]}, "cache_settings.password"),
        ({"type": "redis", "host": "redis.lan", "password": REDACTED}, "cache_settings.password"),
        ({"type": "redis", "redis_startup_nodes": [{"host": "a"}]}, "redis_startup_nodes"),
        ({"type": "redis", "sentinel_nodes": [["a", 1]], "service_name": "m"}, "sentinel_nodes|service_name"),
        ({"type": "redis", "redis_type": "cluster"}, "cache_settings.redis_type"),
        ({"type": "redis", "host": "os.environ/PATH"}, "host: a variable .* config file alone"),
        ({"type": "redis", "host": "os.environ/ALLOWED"}, "cache_settings.host: a variable"),
        ({"supported_call_types": ["os.environ/ALLOWED"]}, "cache_settings.supported_call_types: a variable"),
        ({"type": "redis", "host": "redis.lan", "password": "os.environ/ALLOWED"}, "cache_settings.password"),
        ({"type": "redis", "url": f"redis://{SALT}:x@redis.lan"}, "cache_settings.username"),
        ({"type": "redis", "url": f"redis://:{SALT}@redis.lan"}, "cache_settings.password"),
        ({"type": "redis", "url": f"redis://{ALLOWED}:x@redis.lan"}, "cache_settings.username"),
        ({"type": "redis", "url": f"rediss://u:{ALLOWED}@redis.lan"}, "cache_settings.password"),
        ({"type": "redis", "url": "redis://u%00:x@redis.lan"}, "cache_settings.url"),
        ({"type": "redis", "url": f"redis://redis.lan/{'9' * 5_000}"}, "cache_settings.url"),
        ({"type": "redis", "host": "redis.lan", "port": "9" * 5_000}, "cache_settings.port"),
        ({"type": "redis", "host": "redis.lan", "username": "a\0b"}, "cache_settings.username"),
        ({"type": "redis", "url": "redis://redis.lan", "password": "x"}, "cache_settings.password"),
        ({"type": "redis", "url": "redis://redis.lan", "ssl": True}, "cache_settings.ssl"),
        ({"type": "redis", "url": "redis://redis.lan", "db": 3}, "cache_settings.db"),
        ({"type": "redis", "url": "redis://redis.lan", "host": "b"}, "cache_settings.host"),
        ({"type": "redis", "url": "redis://:new@redis.lan", "password": REDACTED}, "expected in the `url`"),
        ({"supported_call_types": [[]]}, "cache_settings.supported_call_types"),
        ({"supported_call_types": [{}]}, "cache_settings.supported_call_types"),
        ({"max_bytes": 2048, "max_entry_bytes": 4096}, "cache_settings.max_entry_bytes"),
        ("redis", "cache_settings"),
    ],
)
def test_settings_that_could_not_be_in_force_are_refused_whole(
    postgres_dsn: str, settings: object, says: str
) -> None:
    async def scenario(house: House) -> None:
        allows = {"store_model_in_db": True, "api_env_allowlist": ["ALLOWED"]}
        env = {"ALLOWED": "x", "SWITCHGEAR_SALT_KEY": "the-salt-key"}
        found = with_cache(house, {**STORING, "general_settings": allows}, env=env)
        for function in (cache.save_settings, cache.try_settings):
            with pytest.raises(GatewayError, match=says) as refused:
                await house.call(function, {"cache_settings": settings})
            assert refused.value.http_status == 400
        assert found.swaps == []
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_Config"') == 0

    in_house(postgres_dsn, scenario)


def test_an_undeclared_field_is_refused(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with_cache(house)
        with pytest.raises((InvalidRequest, UnsupportedParameter), match="more"):
            await house.call(cache.save_settings, {"cache_settings": {}, "more": 1})

    in_house(postgres_dsn, scenario)


def test_a_password_is_sealed_masked_and_no_part_of_the_audit_log(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = with_cache(house)
        told = await save(house, type="redis", url=f"rediss://u:{PASSWORD}@redis.lan:6380/2")
        parts = {"host": "redis.lan", "port": 6380, "db": 2, "ssl": True, "username": "u"}
        assert told == {"type": "redis", **parts, "password": REDACTED}
        assert password_of(found) == PASSWORD
        stored = await row(house)
        assert PASSWORD not in stored
        assert "sealed:" in stored
        assert '"port": 6380' in stored
        sql = 'SELECT string_agg(to_jsonb(a)::text, chr(10)) FROM "LiteLLM_AuditLog" a'
        said = await house.database.pool.fetchval(sql)
        assert "cache_settings" in said
        assert "(sealed " in said
        assert PASSWORD not in said
        assert PASSWORD not in repr(found.live.in_force.stored)

    in_house(postgres_dsn, scenario)


def test_a_password_stays_with_its_redis_and_goes_to_no_other(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = with_cache(house)
        await save(house, **REDIS)
        sealed = await row(house)
        left = {name: value for name, value in REDIS.items() if name != "password"}
        await save(house, **left, ttl=5)
        assert (password_of(found), found.swaps[-1].cache.ttl_s) == (PASSWORD, 5)
        assert sealed[sealed.index("sealed:") :][:80] in await row(house), "its text did not change"
        await save(house, **{**left, "port": "6380"}, password=REDACTED)
        assert password_of(found) == PASSWORD
        for elsewhere in ({"host": "other.lan"}, {"port": 6381}, {"username": "eve"}, {"ssl": True}):
            with pytest.raises(InvalidRequest, match="none is known for this host"):
                await save(house, **{**left, **elsewhere}, password=REDACTED)
            assert password_of(found) == PASSWORD, "nothing changed"
        await save(house, **{**left, "host": "other.lan"})
        assert password_of(found) is None
        await save(house, **REDIS)
        await save(house, **left, password=None)
        assert password_of(found) is None

    in_house(postgres_dsn, scenario)


def test_the_environments_redis_is_used_whole_or_not_at_all(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        env = {"REDIS_HOST": "env.lan", "REDIS_PASSWORD": "of-the-environment"}
        found = with_cache(house, env=env)
        assert await save(house, type="redis", ttl=5) == {"type": "redis", "ttl": 5}
        assert password_of(found) == "of-the-environment"
        assert "of-the-environment" not in await row(house)
        await save(house, type="redis", host="other.lan")
        assert password_of(found) is None

    in_house(postgres_dsn, scenario)


def test_a_redacted_password_of_the_environment_says_to_leave_its_redis_out(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        env = {"REDIS_URL": "redis://u:of-the-environment@env.lan:6380"}
        with_cache(house, env=env)
        await save(house, type="redis", ttl=5)
        place = {"host": "env.lan", "port": 6380, "db": 0, "username": "u", "ssl": False}
        for function in (cache.save_settings, cache.try_settings):
            settings = {"type": "redis", "ttl": 9, **place, "password": REDACTED}
            with pytest.raises(InvalidRequest, match="the environment names this Redis"):
                await house.call(function, {"cache_settings": settings})
        assert "of-the-environment" not in await row(house)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("address", [{"url": f"redis://u:{PASSWORD}@file.lan:6380/1"}, None])
def test_the_files_password_goes_on_to_the_identical_redis_alone(
    postgres_dsn: str, address: dict[str, Any] | None
) -> None:
    async def scenario(house: House) -> None:
        parts = {"host": "file.lan", "port": 6380, "db": 1, "username": "u"}
        params = {"type": "redis", **(address or {**parts, "password": "os.environ/REDIS_PASSWORD"})}
        said = {"cache": True, "cache_params": params}
        found = with_cache(house, {**STORING, "litellm_settings": said}, env={"REDIS_PASSWORD": PASSWORD})
        sent = {"type": "redis", **parts, "ssl": False}
        for elsewhere in ({"host": "other.lan"}, {"port": 6381}, {"username": "eve"}, {"ssl": True}):
            for function in (cache.save_settings, cache.try_settings):
                settings = {**sent, **elsewhere, "password": REDACTED}
                with pytest.raises(InvalidRequest, match="The password has to be typed again"):
                    await house.call(function, {"cache_settings": settings})
        told = await save(house, **sent, ttl=9, password=REDACTED)
        assert told["password"] == REDACTED
        assert (password_of(found), found.swaps[-1].cache.ttl_s) == (PASSWORD, 9)
        assert PASSWORD not in await row(house)
        await house.call(cache.save_settings, {"cache_settings": None})
        await save(house, **{**sent, "host": "other.lan"})
        assert password_of(found) is None, "left out beside another host"
        with pytest.raises(InvalidRequest, match="The password has to be typed again"):
            await save(house, **sent, password=REDACTED)
        await house.call(cache.save_settings, {"cache_settings": None})
        await save(house, **sent, password=None)
        assert password_of(found) is None, "taken away"
        await house.call(cache.save_settings, {"cache_settings": None})
        found = with_cache(house, {**STORING, "litellm_settings": said}, env={"REDIS_PASSWORD": VARIABLE})
        if address is None:
            with pytest.raises(InvalidRequest, match=r"cache_settings\.password: a variable"):
                await save(house, **sent, password=REDACTED)

    in_house(postgres_dsn, scenario)


def test_where_redis_is_named_is_told_beside_the_settings(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        said = {"cache": True, "cache_params": {"type": "redis", "host": "file.lan"}}
        found = with_cache(house, {**STORING, "litellm_settings": said}, env={"REDIS_HOST": "env.lan"})
        of_environment = {"cache": True, "cache_params": {"type": "redis"}}

        async def told() -> tuple[str, str | None]:
            in_force = found.live.in_force.checked.cache
            house.give(cache=local_cache(kind=in_force.kind, redis=in_force.redis))
            shown = await house.call(cache.settings)
            return shown.source, shown.redis_source

        assert await told() == ("config", "config")
        await save(house, type="redis", host="other.lan")
        assert await told() == ("database", "database")
        await save(house, type="redis", ttl=5)
        assert await told() == ("database", "environment")
        await save(house, type="local")
        assert await told() == ("database", None)
        await house.call(cache.save_settings, {"cache_settings": None})
        found = with_cache(
            house, {**STORING, "litellm_settings": of_environment}, env={"REDIS_HOST": "env.lan"}
        )
        assert await told() == ("config", "environment")

    in_house(postgres_dsn, scenario)


def test_a_redis_of_the_api_is_judged_where_it_leads_and_one_of_the_operator_is_not(
    postgres_dsn: str,
) -> None:
    async def scenario(house: House) -> None:
        said = {"cache": True, "cache_params": {"type": "redis", "host": "file.example.com"}}
        document = {**STORING, "litellm_settings": said}
        found = with_cache(house, document, env={"REDIS_HOST": "env.example.com"})
        in_file = found.live.in_force.checked.cache.redis
        assert in_file is not None
        assert (in_file.host, in_file.judged) == ("file.example.com", False)
        for settings, host, judged in (
            ({"host": "cache.example.com", "residency": "local"}, "cache.example.com", True),
            ({"url": "redis://cache.example.com"}, "cache.example.com", True),
            ({}, "env.example.com", False),
        ):
            await save(house, type="redis", **settings)
            other = with_cache(house, document, env={"REDIS_HOST": "env.example.com"})
            await other.live.refresh()
            for registry in (found, other):
                place = registry.swaps[-1].cache.redis
                assert place is not None
                assert (place.host, place.judged) == (host, judged)
            house.give(registry=found.editor)
        assert (await house.call(cache.save_settings, {"cache_settings": None})).settings == {}

    in_house(postgres_dsn, scenario)


def test_under_another_salt_key_nothing_is_cached_until_the_password_is_sent_again(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with_cache(house)
        await save(house, **REDIS)
        found = with_cache(house, OF_THE_FILE, salt_key=Secret("another-salt-key-of-the-tests"))
        await found.live.refresh()
        assert found.swaps[-1].cache.kind is CacheKind.OFF
        assert any("cache_settings" in each for each in found.swaps[-1].warnings)
        left = {name: value for name, value in REDIS.items() if name != "password"}
        with pytest.raises(InvalidRequest, match="another salt key"):
            await save(house, **left)
        await save(house, **REDIS)
        assert password_of(found) == PASSWORD

    in_house(postgres_dsn, scenario)


def test_a_user_whose_name_looks_sealed_is_a_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with_cache(house)
        await save(house, **REDIS, username="sealed:aa:bb")
        other = with_cache(house)
        await other.live.refresh()
        place = other.swaps[-1].cache.redis
        assert place is not None
        assert place.username == "sealed:aa:bb"
        assert password_of(other) == PASSWORD

    in_house(postgres_dsn, scenario)


def test_settings_that_sql_made_wrong_switch_the_cache_off_and_say_so(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = with_cache(house, OF_THE_FILE, env={"LITELLM_MASTER_KEY": "sk-master"})
        write = "INSERT INTO \"LiteLLM_Config\" (param_name, param_value) VALUES ('cache_settings', $1)"
        for wrong, said in (
            ('{"ttl": "x"}', "cache_settings.ttl"),
            ('{"supported_call_types": [[]]}', "cache_settings.supported_call_types"),
            ('{"type": "redis", "host": "os.environ/LITELLM_MASTER_KEY"}', "host names a variable"),
            ('{"supported_call_types": ["os.environ/LITELLM_MASTER_KEY"]}', "types names a variable"),
            ('{"type": "redis", "host": "169.254.169.254"}', "cache_settings.host"),
            ("[1]", "cache_settings: expected an object"),
            ("7", "cache_settings: expected an object"),
            (f'{{"ttl": {"9" * 5_000}}}', "cache_settings: expected an object"),
        ):
            await house.database.pool.execute('DELETE FROM "LiteLLM_Config"')
            await house.database.pool.execute(write, wrong)
            await found.live.refresh()
            in_force = found.live.in_force.checked
            assert not in_force.cache.is_on
            assert said in in_force.config.cache_flaw
            assert any(said in each for each in in_force.warnings)
            assert "sk-master" not in repr((in_force.cache, in_force.warnings))
            assert (await house.call(cache.settings)).source == "database"
        assert await save(house, ttl=7) == {"ttl": 7, "type": "local"}
        assert found.swaps[-1].cache.ttl_s == 7

    in_house(postgres_dsn, scenario)


def test_a_trial_puts_nothing_in_force(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = with_cache(house)
        tried = await house.call(cache.try_settings, {"cache_settings": {"type": "local"}})
        assert (tried.status, tried.error) == ("success", None)
        off = await house.call(cache.try_settings, {"cache_settings": {"type": "off"}})
        assert (off.status, off.error) == ("failed", "The settings switch the cache off.")
        unsalted = await house.call(cache.try_settings, {"cache_settings": {"type": "postgres"}})
        assert (unsalted.status, unsalted.error) == ("failed", NO_SALT_KEY)
        assert found.swaps == []

    in_house(postgres_dsn, scenario)
