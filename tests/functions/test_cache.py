"""The endpoints about the response cache."""

import asyncio
import json

import pytest

from functions import cache
from functions.ports.cache import NO_CACHE, Cache, KeptAnswer
from functions.ports.context import CacheContext
from runtime.cache.response_cache import ResponseCache
from schema.cache import DeleteRequest, FlushRequest, PingQuery
from schema.errors import InvalidRequest, Overloaded
from tests.fakes.cache import local_cache
from tests.functions.contexts import ADMIN, make_call
from tests.functions.governed import House, in_house

ANSWER = KeptAnswer(b"{}", 0.0)


def ctx(found: Cache) -> CacheContext:
    return CacheContext(call=make_call(ADMIN), cache=found)


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
