"""What the config says about the response cache, and what is refused by name."""

from typing import Any

import pytest

from models_registry.config.response_cache import CACHE_OFF, CacheKind, CacheRules
from runtime.blueprint import check

PATH = "litellm_settings.cache_params"


def checked(**settings: Any) -> tuple[CacheRules, tuple[str, ...], tuple[str, ...]]:
    found = check({"model_list": [], "litellm_settings": settings}, {})
    return found.cache, found.errors, found.warnings


@pytest.mark.parametrize("settings", [{}, {"cache": False}, {"cache_params": {"type": "redis", "ttl": -1}}])
def test_nothing_is_cached_unless_the_config_says_so(settings: dict[str, Any]) -> None:
    assert checked(**settings)[:2] == (CACHE_OFF, ())
    assert not CACHE_OFF.is_on


def test_a_cache_without_parameters_is_in_memory() -> None:
    rules, errors, warnings = checked(cache=True)
    assert rules == CacheRules(kind=CacheKind.LOCAL)
    assert (errors, warnings) == ((), ())


def test_the_parameters_have_litellms_names_and_ours() -> None:
    params = {
        "type": "postgres",
        "ttl": 60,
        "namespace": "team.a",
        "mode": "default_off",
        "supported_call_types": ["completion", "acompletion", "embedding", "atranscription"],
        "shared": True,
        "max_entries": 5,
        "max_bytes": 4096,
        "max_entry_bytes": 2048,
        "max_stored_entries": 7,
        "max_stored_bytes": 8192,
    }
    rules, errors, _ = checked(cache=True, cache_params=params)
    assert errors == ()
    assert rules == CacheRules(
        kind=CacheKind.POSTGRES,
        ttl_s=60.0,
        namespace="team.a",
        opt_in=True,
        call_types=frozenset({"acompletion", "aembedding"}),
        shared=True,
        max_entries=5,
        max_bytes=4096,
        max_entry_bytes=2048,
        max_stored_entries=7,
        max_stored_bytes=8192,
    )
    assert checked(cache=True, cache_params={"default_in_memory_ttl": 9})[0].ttl_s == 9.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "cloud"),
        ("type", ["local"]),
        ("ttl", 0),
        ("ttl", "long"),
        ("ttl", 10**9),
        ("ttl", float("nan")),
        ("mode", "default"),
        ("namespace", "a b"),
        ("namespace", 3),
        ("shared", "yes"),
        ("supported_call_types", "acompletion"),
        ("supported_call_types", ["acompletions"]),
        ("supported_call_types", [[]]),
        ("supported_call_types", [{}]),
        pytest.param("ttl", 10**5_000, id="ttl-of-many-digits"),
        ("max_entries", 0),
        ("max_bytes", True),
        ("max_entry_bytes", 10**12),
        ("max_entry_bytes", 33 * 1024 * 1024),
    ],
)
def test_a_parameter_that_can_t_be_used_is_an_error_by_name(name: str, value: object) -> None:
    _, errors, _ = checked(cache=True, cache_params={name: value})
    assert len(errors) == 1
    assert errors[0].startswith(f"{PATH}.{name}: ")


@pytest.mark.parametrize("kind", ["valkey-semantic", "redis-semantic", "s3"])
def test_a_cache_of_litellms_that_is_not_here_keeps_nothing_and_says_so(kind: str) -> None:
    """A config that served with LiteLLM starts."""
    rules, errors, warnings = checked(cache=True, cache_params={"type": kind, "host": "elsewhere"})
    assert (rules.is_on, errors) == (False, ())
    (told,) = (each for each in warnings if each.startswith(PATH))
    assert "no answer is cached" in told


def test_an_answer_may_not_be_longer_than_everything() -> None:
    _, errors, _ = checked(cache=True, cache_params={"max_bytes": 2048})
    assert errors == (f"{PATH}.max_entry_bytes: more than max_bytes, 2048",)


def test_a_parameter_of_another_cache_has_no_effect_and_says_so() -> None:
    _, errors, warnings = checked(cache=True, cache_params={"host": "redis", "similarity_threshold": 0.8})
    assert errors == ()
    assert [each for each in warnings if each.startswith(PATH)] == [
        f"{PATH}.host: has no effect",
        f"{PATH}.similarity_threshold: has no effect",
    ]
