"""The endpoints about the response cache."""

import asyncio
import json

import msgspec
import pytest

from functions import cache
from functions.answers.cache_settings import settings_of
from functions.ports.cache import NO_CACHE, Cache, KeptAnswer
from functions.ports.context import CacheContext
from models_registry.config.redis_place import RedisPlace
from models_registry.config.response_cache import CACHE_OFF, CacheKind, CacheRules
from runtime.cache.response_cache import ResponseCache
from schema.cache import DeleteRequest, FlushRequest, PingQuery
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest
from schema.secret import Secret
from tests.fakes.cache import local_cache
from tests.fakes.ports import ABSENT
from tests.functions.contexts import ADMIN, make_call
from tests.functions.governed import House, in_house

ANSWER = KeptAnswer(b"{}", 0.0)


def ctx(found: Cache) -> CacheContext:
    return CacheContext(call=make_call(ADMIN), cache=found, registry=ABSENT)


def keys_in(found: ResponseCache) -> list[str]:
    return [key for key in "abc" if found.memory.get(key) is not None]


def test_a_ping_says_that_the_cache_works_and_by_which_rules() -> None:
    answer = asyncio.run(cache.ping(PingQuery(), ctx(local_cache(namespace="n"))))
    assert (answer.status, answer.cache_type, answer.ping_response) == ("healthy", "local", True)
    told = json.loads(answer.litellm_cache_params)
    assert (told["namespace"], told["mode"], told["ttl"]) == ("n", "default_on", 600.0)


def test_a_ping_of_a_cache_that_is_off_or_fails_is_a_503() -> None:
    faulty: list[tuple[Cache, str]] = [(NO_CACHE, "is off"), (local_cache(max_bytes=0), "did not keep")]
    for found, said in faulty:
        with pytest.raises(Overloaded, match=said):
            asyncio.run(cache.ping(PingQuery(), ctx(found)))


def test_the_settings_are_told_without_the_password() -> None:
    place = RedisPlace(host="redis.lan", port=6380, username="u", password=Secret("of-redis"), tls=True)
    told = settings_of(CacheRules(kind=CacheKind.REDIS, redis=place, ttl_s=9, namespace="n"), "config")
    values = told.current_values
    assert (values["type"], values["ttl"], values["host"], values["port"]) == ("redis", 9, "redis.lan", 6380)
    assert values["password"] == "***REDACTED***"
    assert b"of-redis" not in msgspec.json.encode(told)
    by_name = {each.field_name: each for each in told.fields}
    assert {*values} <= by_name.keys()
    assert all(by_name[name].field_value == value for name, value in values.items())
    assert (by_name["ttl"].field_default, by_name["mode"].options) == (600.0, ["default_on", "default_off"])
    off = settings_of(CACHE_OFF, "default").current_values
    assert off["type"] == "off"
    assert "password" not in off


def test_answers_are_deleted_by_key_or_all_at_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = local_cache(database=house.database)
        for key in "abc":
            found.keep(key, ANSWER, ttl_s=60)
        deleted = await cache.delete(DeleteRequest(keys=["a", "unknown"]), ctx(found))
        assert (deleted.status, deleted.deleted, keys_in(found)) == ("success", 1, ["b", "c"])
        assert (await cache.flushall(FlushRequest(), ctx(found))).status == "success"
        assert keys_in(found) == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("keys", [[], ["a"] * 1_001, [""], ["a" * 201], ["a\nb"]])
def test_keys_that_can_t_be_any_are_refused(keys: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(cache.delete(DeleteRequest(keys=keys), ctx(local_cache())))
    assert caught.value.param == "keys"
