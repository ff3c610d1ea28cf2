"""Where the response cache's Redis stands, by LiteLLM's words."""

from typing import Any

import pytest

from functions.answers.cache_settings import values_of
from models_registry.config.redis_place import STAYS, RedisPlace
from models_registry.config.response_cache import CACHE_OFF, CacheKind, CacheRules
from models_registry.target import Residency
from runtime.blueprint import check
from schema.secret import Secret

PATH = "litellm_settings.cache_params"


def checked(
    environment: dict[str, str] | None = None, **params: Any
) -> tuple[CacheRules, tuple[str, ...], tuple[str, ...]]:
    settings = {"cache": True, "cache_params": {"type": "redis", **params}}
    found = check({"model_list": [], "litellm_settings": settings}, environment or {})
    return found.cache, found.errors, tuple(each for each in found.warnings if each.startswith(PATH))


@pytest.mark.parametrize(
    ("params", "environment", "place"),
    [
        ({"host": "redis.lan"}, {}, RedisPlace(host="redis.lan")),
        (
            {
                "host": "redis.lan",
                "port": "6380",
                "username": "u",
                "password": "s3cret",
                "db": 2,
                "ssl": True,
            },
            {"REDIS_PASSWORD": "other"},
            RedisPlace(host="redis.lan", port=6380, db=2, username="u", password=Secret("s3cret"), tls=True),
        ),
        (
            {"url": "rediss://u:s3%40cret@redis.lan:6380/3"},
            {},
            RedisPlace(host="redis.lan", port=6380, db=3, username="u", password=Secret("s3@cret"), tls=True),
        ),
        ({"url": "redis://[::1]"}, {}, RedisPlace(host="::1")),
        (
            {},
            {"REDIS_HOST": "redis", "REDIS_PORT": "7000", "REDIS_PASSWORD": "s3cret", "REDIS_SSL": "True"},
            RedisPlace(host="redis", port=7000, password=Secret("s3cret"), tls=True),
        ),
        ({}, {"REDIS_URL": "redis://redis/1"}, RedisPlace(host="redis", db=1)),
    ],
)
def test_a_redis_is_named_by_its_parts_its_address_or_the_environment(
    params: dict[str, Any], environment: dict[str, str], place: RedisPlace
) -> None:
    rules, errors, warnings = checked(environment, **params)
    assert (rules.kind, rules.redis, errors, warnings) == (CacheKind.REDIS, place, (), ())
    if place.password is not None:
        assert place.password.reveal() == rules.redis.password.reveal()  # type: ignore[union-attr]  # it is there
        assert place.password.reveal() not in repr(rules)


def test_the_life_of_an_answer_has_a_name_of_its_own() -> None:
    rules, errors, warnings = checked(host="redis", default_in_redis_ttl=9, default_in_memory_ttl=5)
    assert (rules.ttl_s, errors, warnings) == (9.0, (), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ["redis"]),
        ("host", "a b"),
        ("host", "user:secret@redis"),
        ("port", 70_000),
        ("port", "http"),
        ("db", -1),
        ("password", 5),
        ("username", ["u"]),
        ("ssl", "perhaps"),
        ("url", "http://redis:6379"),
        ("url", "redis://"),
        ("url", "redis://:secret@redis:port/0"),
        ("url", "redis://:secret@redis/0?ssl_cert_reqs=none"),
        ("url", 5),
        ("residency", "mars"),
        ("residency", True),
        ("allow_public_local", "perhaps"),
        ("allow_public_local", True),
    ],
)
def test_a_parameter_that_can_not_be_used_is_an_error_without_its_value(name: str, value: object) -> None:
    _, errors, _ = checked(None, **{"host": "redis", name: value})
    assert len(errors) == 1
    assert errors[0].startswith(f"{PATH}.{name}: expected")
    assert "secret" not in errors[0]


@pytest.mark.parametrize(
    ("params", "residency"),
    [
        ({"host": "redis"}, Residency.NEAR),
        ({"host": "10.0.0.7"}, Residency.NEAR),
        ({"url": "redis://cache.prod.svc.cluster.local"}, Residency.NEAR),
        ({"host": "cache.example.com"}, Residency.ANYWHERE),
        ({"host": "8.8.8.8"}, Residency.ANYWHERE),
        ({"host": "redis", "residency": "cloud"}, Residency.ANYWHERE),
        ({"host": "cache.example.com", "residency": "local"}, Residency.LOCAL),
        ({"host": "8.8.8.8", "residency": "local", "allow_public_local": True}, Residency.TRUSTED),
    ],
)
def test_a_redis_has_a_residency(params: dict[str, Any], residency: Residency) -> None:
    rules, errors, warnings = checked(**params)
    assert rules.redis is not None
    assert (rules.redis.residency, errors, warnings) == (residency, (), ())
    assert rules.is_local is residency.is_local
    told = values_of(rules)
    again, errors, warnings = checked(**{name: told[name] for name in told if name in ("host", *STAYS)})
    assert (again.redis, errors, warnings) == (rules.redis, (), ()), "what is told can be sent back"


def test_a_public_address_is_no_local_redis() -> None:
    _, errors, _ = checked(host="8.8.8.8", residency="local")
    assert errors == (
        f"{PATH}.residency: local stands at a public address; `allow_public_local: true` says that the host "
        "is yours",
    )


@pytest.mark.parametrize(
    "params", [{}, {"redis_startup_nodes": [{"host": "a"}]}, {"sentinel_nodes": [["a", 1]], "host": "b"}]
)
def test_without_a_host_or_with_several_nothing_is_cached_and_that_is_said(params: dict[str, Any]) -> None:
    """A config that served with LiteLLM starts."""
    rules, errors, warnings = checked(**params)
    assert (rules.kind, rules.redis, errors) == (CacheKind.OFF, None, ())
    assert not CACHE_OFF.is_on
    assert any("no answer is cached" in each for each in warnings)


@pytest.mark.parametrize(
    ("params", "environment", "name"),
    [
        ({"redis_startup_nodes": [{"host": "a", "port": 7001}]}, {}, f"{PATH}.redis_startup_nodes"),
        ({"host": "redis", "redis_startup_nodes": [{"host": "a"}]}, {}, f"{PATH}.redis_startup_nodes"),
        ({"sentinel_nodes": [["a", 26379]], "service_name": "m"}, {}, f"{PATH}.sentinel_nodes"),
        ({"service_name": "mymaster"}, {}, f"{PATH}.service_name"),
        ({}, {"REDIS_CLUSTER_NODES": "[]", "REDIS_HOST": "redis"}, "REDIS_CLUSTER_NODES"),
        ({}, {"REDIS_SENTINEL_NODES": "[]", "REDIS_URL": "redis://redis"}, "REDIS_SENTINEL_NODES"),
        ({}, {"REDIS_SERVICE_NAME": "mymaster"}, "REDIS_SERVICE_NAME"),
    ],
)
def test_a_cluster_and_sentinel_are_refused_by_name(
    params: dict[str, Any], environment: dict[str, str], name: str
) -> None:
    """None of their hosts is taken for a Redis that stands alone."""
    rules, errors, warnings = checked(environment, **params)
    assert (rules.kind, rules.redis, errors) == (CacheKind.OFF, None, ())
    (warning,) = warnings
    assert name in warning
    assert "clusters and Sentinel are not supported" in warning
    alone, _, _ = checked({"REDIS_CLUSTER_NODES": "[]"}, host="redis")
    assert alone.kind is CacheKind.REDIS
