from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.registry import Registry, permits
from models_registry.target import Dialect
from runtime.blueprint import check
from schema.errors import ModelNotAllowed, ModelNotFound
from schema.models import AllowedModels

ONLY_GPT = (AllowedModels("key", ("gpt",)),)
NONE = (AllowedModels("team", ("gpt-none",)),)


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {"model": model, "api_key": "sk-secret-of-provider", **params},
    }


def registry(*entries: dict[str, Any], **settings: Any) -> Registry:
    checked = check({"model_list": list(entries), **settings}, {})
    assert checked.errors == ()
    return checked.registry


def test_a_name_leads_to_its_deployment() -> None:
    target = registry(entry("gpt", "openai/gpt-4")).target("gpt", allowed=(), roll=0.0)
    assert (target.dialect, target.model, target.api_base) == (
        Dialect.OPENAI,
        "gpt-4",
        "https://api.openai.com/v1",
    )
    assert target.price is not None
    assert "secret" not in repr(target)


def test_an_unknown_name_is_404_and_a_forbidden_one_403() -> None:
    models = registry(entry("gpt", "openai/gpt-4"), entry("claude", "anthropic/claude-sonnet-4-6"))
    with pytest.raises(ModelNotFound) as unknown:
        models.target("nope", allowed=ONLY_GPT, roll=0.0)
    assert (unknown.value.http_status, unknown.value.code) == (404, "model_not_found")
    with pytest.raises(ModelNotAllowed) as forbidden:
        models.target("claude", allowed=ONLY_GPT, roll=0.0)
    assert (forbidden.value.http_status, forbidden.value.error_type) == (403, "key_model_access_denied")


def test_a_wildcard_puts_what_it_matched_into_the_model() -> None:
    models = registry(
        entry("openai/*", "openai/*"),
        entry("openai/gpt-4*", "openai/gpt-4*", api_base="https://four.test/v1"),
    )
    plain = models.target("openai/gpt-3.5-turbo", allowed=(), roll=0.0)
    longer = models.target("openai/gpt-4o", allowed=(), roll=0.0)
    assert (plain.model, plain.api_base) == ("gpt-3.5-turbo", "https://api.openai.com/v1")
    assert (longer.model, longer.api_base) == ("gpt-4o", "https://four.test/v1")
    assert longer.price is not None
    with pytest.raises(ModelNotFound):
        models.target("anthropic/x", allowed=(), roll=0.0)


def test_a_group_is_shared_out_by_weight() -> None:
    models = registry(entry("gpt", "openai/a", weight=3), entry("gpt", "openai/b", weight=1))
    rolls = [number / 1000 for number in range(1000)]
    counts = Counter(models.target("gpt", allowed=(), roll=roll).model for roll in rolls)
    assert counts == {"a": 750, "b": 250}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.floats(0, 1, exclude_max=True))
def test_any_roll_picks_some_deployment(weights: list[int], roll: float) -> None:
    models = registry(*(entry("m", f"openai/{index}", weight=weight) for index, weight in enumerate(weights)))
    picked = int(models.target("m", allowed=(), roll=roll).model)
    assert weights[picked] > 0 or sum(weights) == 0


@pytest.mark.parametrize(
    ("allowed", "name", "yes"),
    [
        (("gpt",), "gpt", True),
        (("gpt",), "gpt-4", False),
        (("openai/*",), "openai/gpt-4", True),
        (("openai/*",), "openai-gpt", False),
        (("*",), "anything", True),
        (("all-proxy-models",), "anything", True),
        (("a.c",), "abc", False),
    ],
)
def test_a_keys_list_covers_names_and_wildcards(allowed: tuple[str, ...], name: str, yes: bool) -> None:
    assert permits(allowed, name) is yes


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"model": "nowhere/gpt"}, "litellm_params.model: 'nowhere/gpt' names no provider"),
        ({"model": "hosted_vllm/x"}, "litellm_params.api_base: provider hosted_vllm needs an address"),
        (
            {"model": "openai/x", "api_base": "ftp://x"},
            "litellm_params.api_base: expected http:// or https://",
        ),
        ({"model": "openai/x", "input_cost_per_token": "cheap"}, "input_cost_per_token: expected a number"),
        (
            {"model": "openai/x", "input_cost_per_token": -1},
            "input_cost_per_token: expected a number of zero",
        ),
        ({"model": "openai/x", "timeout": ".nan"}, "litellm_params.timeout: expected a number"),
        ({"model": "openai/x", "extra_body": [1]}, "litellm_params.extra_body: expected a mapping"),
    ],
)
def test_a_deployment_that_cannot_be_called_is_an_error_with_its_path(
    params: dict[str, Any], error: str
) -> None:
    checked = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {})
    assert len(checked.errors) == 1
    assert checked.errors[0].startswith("model_list[0].")
    assert error in checked.errors[0]


def test_settings_of_the_file_reach_the_target() -> None:
    target = registry(
        entry(
            "m", "openai/gpt-4", timeout=20, stream_timeout=5, organization="org-1", extra_body={"top_k": 3}
        ),
        litellm_settings={"drop_params": True, "request_timeout": 90},
    ).target("m", allowed=(), roll=0.0)
    assert target.drop_params is True
    assert (target.deadlines.total_s, target.deadlines.idle_s) == (20.0, 5.0)
    assert target.headers == {"openai-organization": "org-1"}
    assert {name: bytes(value) for name, value in target.params.items()} == {"top_k": b"3"}


def test_a_local_model_is_free_unless_the_config_says_otherwise() -> None:
    models = registry(
        entry("free", "ollama/mistral"), entry("paid", "ollama/mistral", input_cost_per_token=1e-6)
    )
    free, paid = (models.target(name, allowed=(), roll=0.0).price for name in ("free", "paid"))
    assert free is not None
    assert paid is not None
    assert (free.input, paid.input) == (0, 10**9)


def test_the_deployments_id_is_stable_and_free_of_the_key() -> None:
    first, second = (
        registry(entry("m", "openai/x", api_key=key)).target("m", allowed=(), roll=0.0).model_id
        for key in ("sk-one", "sk-two")
    )
    assert first == second


def test_a_cloud_model_without_a_key_is_a_warning() -> None:
    checked = check({"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/gpt-4"}}]}, {})
    assert any("no api_key, and the environment has no OPENAI_API_KEY" in line for line in checked.warnings)
    assert (
        check(
            {"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/gpt-4"}}]},
            {"OPENAI_API_KEY": "k"},
        ).warnings
        == ()
    )


def test_a_long_or_forbidden_name_is_neither_kept_nor_repeated() -> None:
    models = registry(entry("openai/*", "openai/*"))
    long = "openai/" + "x" * 5_000_000
    for allowed, error in (((), ModelNotFound), (NONE, ModelNotFound)):
        with pytest.raises(error) as caught:
            models.target(long, allowed=allowed, roll=0.0)
        assert len(caught.value.message) < 1000
    with pytest.raises(ModelNotAllowed):
        models.target("openai/gpt-4o", allowed=NONE, roll=0.0)
    assert models._expanded == {}


def test_a_lone_star_lets_the_caller_name_the_provider() -> None:
    document = {"model_list": [{"model_name": "*", "litellm_params": {"model": "*"}}]}
    checked = check(document, {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"})
    assert checked.errors == ()
    found = {
        name: checked.registry.target(name, allowed=(), roll=0.5)
        for name in ("openai/gpt-4o", "anthropic/claude-sonnet-4-6", "gpt-4o")
    }
    assert [target.dialect for target in found.values()] == [
        Dialect.OPENAI,
        Dialect.ANTHROPIC,
        Dialect.OPENAI,
    ]
    assert [target.model for target in found.values()] == ["gpt-4o", "claude-sonnet-4-6", "gpt-4o"]
    with pytest.raises(ModelNotFound):
        checked.registry.target("nobody/x", allowed=(), roll=0.5)
