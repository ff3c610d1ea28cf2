"""What of the stored settings of the router is in force, where another version or SQL stored some of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from models_registry.config.sections import RouterSettings
from models_registry.config.stored import ROUTER_SETTINGS, Stored, StoredModel
from runtime.blueprint import Checked, check
from runtime.registry.fitting import NOTHING_KNOWN, Fitting, fitting, newly_unfit

OWN: dict[str, Any] = {
    "model_list": [{"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-x"}}],
    "router_settings": {"num_retries": 1},
}
MODEL = StoredModel(model_id="m", model_name="more", litellm_params={"model": "ollama/llama3"})


def fit(
    document: dict[str, Any] = OWN, flaw: str = "", known: Mapping[str, str] = NOTHING_KNOWN, **settings: Any
) -> tuple[Fitting, int]:
    """What fits of these settings, and how often the registry was built."""
    built = 0

    def build(tried: Stored) -> Checked:
        nonlocal built
        built += 1
        return check(document, {}, stored=tried)

    return fitting(Stored(models=(MODEL,), router_settings=settings, router_flaw=flaw), build, known), built


def test_settings_that_can_all_be_in_force_are_judged_once() -> None:
    found, built = fit(num_retries=3, timeout=9)
    assert (found.stored.router_settings, built) == ({"num_retries": 3, "timeout": 9}, 1)
    assert found.checked.config.unfit_settings == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("num_retries", "many", "router_settings.num_retries: Expected `int | null`, got `str`"),
        ("num_retries", 10_000, "router_settings.num_retries: expected 0 to 20"),
        ("fallbacks", {"gpt": "claude"}, "router_settings.fallbacks"),
        ("retry_after", -1, "router_settings.retry_after"),
        ("retry_policy", {"NoSuchErrorRetries": 1}, "router_settings.retry_policy"),
        (
            "provider_budget_config",
            {"openai": {"budget_limit": "x"}},
            "router_settings.provider_budget_config",
        ),
        ("routing_strategy", "os.environ/ALLOWED", "router_settings.routing_strategy: it names a variable"),
        (
            "default_fallbacks",
            ["os.environ/ALLOWED"],
            "router_settings.default_fallbacks: it names a variable",
        ),
        ("routing_strategy", "priority", "router_settings.routing_strategy: 'priority' is none of simple-"),
        ("optional_pre_call_checks", ["x"], "optional_pre_call_checks: 'x' is none of deployment_affinity"),
        ("of_a_newer_version", [1], "router_settings.of_a_newer_version: this version has no such setting"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_can_not_is_named_and_takes_no_other_one_along(
    name: str, value: object, says: str, place: int
) -> None:
    settings: list[tuple[str, Any]] = [("timeout", 9), ("allowed_fails", 5)]
    settings.insert(place, (name, value))
    found, _ = fit(**dict(settings))
    config = found.checked.config
    assert found.checked.errors == ()
    assert found.stored.router_settings == {"timeout": 9, "allowed_fails": 5}
    assert (config.router_settings.timeout, config.router_settings.allowed_fails) == (9, 5)
    assert config.router_settings.num_retries == 1, "the file's counts in its place"
    assert found.checked.registry.knows("more")
    assert config.unfit_settings.keys() == {name}
    assert says in config.unfit_settings[name]
    assert config.unfit_settings[name].startswith(f"router_settings.{name}")


def test_all_that_are_wrong_are_left_out_and_the_registry_is_built_once_more_for_each() -> None:
    found, built = fit(num_retries="many", timeout=9, retry_after=-1, fallbacks=5, allowed_fails=5)
    assert found.stored.router_settings == {"timeout": 9, "allowed_fails": 5}
    assert found.checked.config.unfit_settings.keys() == {"num_retries", "retry_after", "fallbacks"}
    assert built <= 4


def test_what_was_left_out_before_is_not_tried_again() -> None:
    wrong = {"num_retries": "router_settings.num_retries: wrong"}
    found, built = fit(known=wrong, num_retries="many", timeout=9)
    assert (found.checked.config.unfit_settings, built) == (wrong, 1)


@pytest.mark.parametrize("name", sorted(RouterSettings.__struct_encode_fields__))
def test_no_value_of_any_setting_takes_the_others_along(name: str) -> None:
    names: dict[str, Any] = {"a": "b", "b": "gpt"}
    values: Sequence[Any] = (
        *(-1, 10**30, 1e300, True, "", "x", "*", [], [1], {}, names, {"*": "gpt"}, [names], {"a": -1}),
        *({"a": {"model": "gpt", "b": 1}}, {"a": names}, {"gpt": {"RateLimitErrorRetries": 10**9}}, ["*"]),
        *(
            {"openai": {"budget_limit": -1, "time_period": "x"}},
            {"openai": {}},
            {"RateLimitErrorRetries": -1},
        ),
    )
    for value in values:
        settings: dict[str, Any] = {"timeout": 9, name: value}
        found, _ = fit(**settings)
        assert found.checked.errors == ()
        assert found.checked.registry.knows("more")
        assert name == "timeout" or found.checked.config.router_settings.timeout == 9


def test_settings_that_are_no_object_are_all_left_out() -> None:
    found, _ = fit(flaw="expected an object")
    assert found.checked.config.unfit_settings == {ROUTER_SETTINGS: "router_settings: expected an object"}
    assert found.checked.registry.knows("more")


def test_what_is_wrong_with_the_file_is_no_fault_of_a_setting() -> None:
    found, _ = fit({**OWN, "general_settings": {"master_key": []}}, timeout=9, num_retries="many")
    assert found.checked.config.unfit_settings.keys() == {"num_retries"}
    assert found.stored.router_settings == {"timeout": 9}
    (error,) = found.checked.errors
    assert error.startswith("general_settings.master_key")


def test_a_setting_that_was_unfit_before_is_no_new_one_unless_it_was_changed() -> None:
    wrong, fine = fit(num_retries="many", timeout=9)[0].checked, fit(timeout=9)[0].checked
    assert newly_unfit(fine, fine) == newly_unfit(wrong, fine) == newly_unfit(wrong, wrong) == []
    for found in (newly_unfit(fine, wrong), newly_unfit(wrong, wrong, changed={"num_retries"})):
        assert found == ["router_settings.num_retries: Expected `int | null`, got `str`"]
