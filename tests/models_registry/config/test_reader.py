from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models_registry.config.reader import Config, read_config


def read(text: str, **env: str) -> Config:
    return read_config(yaml.safe_load(text), env)


def test_a_litellm_file_is_read_as_it_is() -> None:
    config = read(
        """
        model_list:
          - model_name: gpt
            litellm_params:
              model: openai/gpt-4o
              api_key: os.environ/KEY
              rpm: 10
              input_cost_per_token: 3e-06
            model_info: {id: one, mode: chat}
        litellm_settings: {drop_params: true, callbacks: [prometheus]}
        router_settings: {routing_strategy: simple-shuffle, cooldown_time: 5, client_ttl: 60}
        general_settings: {master_key: os.environ/MASTER, alerting: [slack]}
        """,
        KEY="sk-upstream",
        MASTER="sk-0123456789abcdef",
    )
    assert config.errors == ()
    params = config.deployments[0].entry.litellm_params
    assert (params.model, params.api_key) == ("openai/gpt-4o", "sk-upstream")
    price = config.deployments[0].prices["input_cost_per_token"]
    assert (price.path, price.value) == ("model_list[0].litellm_params.input_cost_per_token", "3e-06")
    assert config.litellm_settings.drop_params is True
    assert config.master_key is not None
    assert config.master_key.reveal() == "sk-0123456789abcdef"
    assert set(config.warnings) == {
        "litellm_settings.callbacks (prometheus): has no effect in this version",
        "router_settings.client_ttl: has no effect in this version",
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("model_list: {}", "model_list: expected a list"),
        ("model_list: [5]", "model_list[0]: Expected `object`, got `int`"),
        ("model_list: [{model_name: a}]", "model_list[0]: Object missing required field `litellm_params`"),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/a, api_base: 7}}]",
            "model_list[0].litellm_params.api_base: Expected `str | null`, got `int`",
        ),
        (
            "litellm_settings: {drop_params: maybe}",
            "litellm_settings.drop_params: Expected `bool | array | null`, got `str`",
        ),
        ("environment_variables: {PATH: /tmp}", "environment_variables.PATH: this variable decides"),
    ],
)
def test_an_error_names_its_path(text: str, error: str) -> None:
    config = read(text)
    lines = [*config.errors, *(each.reason for each in config.skipped)]
    assert any(line.startswith(error) for line in lines), lines


def test_every_error_is_told_at_once() -> None:
    config = read("model_list: [{model_name: 1}, {litellm_params: {}}]\nrouter_settings: []")
    assert len(config.errors) == 1
    assert [each.model_name for each in config.skipped] == ["", ""]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("modle_list: []", "modle_list: unknown key; did you mean `model_list`?"),
        ("colour: [blue]", "colour: unknown key"),
        (
            "policies: [{policy_name: pii-mask, inherit: base}]",
            "policies (pii-mask): has no effect in this version",
        ),
        (
            "general_settings: {mastre_key: x}",
            "general_settings.mastre_key: unknown key; did you mean `master_key`?",
        ),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/a, aws_sts_endpoint: x}}]",
            "model_list[0].litellm_params.aws_sts_endpoint: has no effect in this version",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning_with_its_path(text: str, warning: str) -> None:
    config = read(text)
    assert warning in config.warnings
    assert config.errors == ()


def test_request_defaults_go_to_the_provider_without_a_warning() -> None:
    config = read("model_list: [{model_name: a, litellm_params: {model: openai/a, temperature: 0.2}}]")
    assert {name: bytes(value) for name, value in config.deployments[0].params.items()} == {
        "temperature": b"0.2"
    }
    assert config.warnings == ()


def test_environment_variables_are_read_before_the_rest() -> None:
    config = read(
        "environment_variables: {REGION: os.environ/HOME_REGION, FLAG: true}\n"
        "model_list: [{model_name: a, litellm_params: {model: openai/a, api_base: os.environ/REGION}}]",
        HOME_REGION="https://eu",
    )
    assert config.deployments[0].entry.litellm_params.api_base == "https://eu"
    assert config.environment["FLAG"] == "True"


def test_a_bare_string_in_a_list_is_not_looked_up() -> None:
    config = read(
        "model_list: [{model_name: a, litellm_params: "
        "{model: openai/a, stop: [os.environ/X, {y: os.environ/X}]}}]",
        X="found",
    )
    assert bytes(config.deployments[0].params["stop"]) == b'["os.environ/X",{"y":"found"}]'


def test_words_for_booleans_become_booleans() -> None:
    assert (
        read("litellm_settings: {drop_params: os.environ/D}", D="True").litellm_settings.drop_params is True
    )


def test_text_of_the_environment_becomes_the_number_or_boolean_that_is_declared() -> None:
    config = read(
        """
        model_list:
          - model_name: m
            litellm_params: {model: openai/m, rpm: os.environ/R, tpm: '7', drop_params: 'true', timeout: '5'}
            model_info: {max_tokens: '100'}
        """,
        R="100",
    )
    assert config.errors == ()
    entry = config.deployments[0].entry
    params = entry.litellm_params
    assert (params.rpm, params.tpm, params.drop_params, params.timeout) == (100, 7, True, "5")
    assert entry.model_info.max_tokens == 100


@pytest.mark.parametrize("field", ["api_key", "api_base", "organization", "custom_llm_provider"])
def test_a_number_is_no_text(field: str) -> None:
    config = read(f"model_list: [{{model_name: m, litellm_params: {{model: openai/m, {field}: 123}}}}]")
    (skipped,) = config.skipped
    assert skipped.reason == f"model_list[0].litellm_params.{field}: Expected `str | null`, got `int`"


def test_text_that_looks_like_another_kind_stays_text() -> None:
    config = read("model_list: [{model_name: 'true', litellm_params: {model: openai/m, api_key: 'null'}}]")
    entry = config.deployments[0].entry
    assert (entry.model_name, entry.litellm_params.api_key) == ("true", "null")


def test_a_null_section_is_an_absent_one() -> None:
    config = read(
        "model_list: [{model_name: m, litellm_params: {model: openai/m, extra_headers: null}, "
        "model_info: null}]\nlitellm_settings: null\nrouter_settings:\ngeneral_settings: null\n"
        "environment_variables: null\ncallback_settings: null\n"
    )
    assert config.errors == ()
    assert len(config.deployments) == 1
    assert read("model_list: null").errors == ()


def test_an_unset_variable_sets_no_other() -> None:
    assert "REGION" not in read("environment_variables: {REGION: os.environ/GONE}").environment


@pytest.mark.parametrize("field", ["num_retries", "max_tokens", "temperature"])
def test_a_number_of_thousands_of_digits_is_an_error_with_its_path(field: str) -> None:
    section = "model_info" if field == "max_tokens" else "litellm_params"
    entry: dict[str, Any] = {"model_name": "m", "litellm_params": {"model": "openai/m"}, "model_info": {}}
    entry[section][field] = 10**5000
    (skipped,) = read_config({"model_list": [entry]}, {}).skipped
    assert (skipped.model_name, skipped.reason[:14]) == ("m", "model_list[0].")
    assert skipped.reason.startswith(f"model_list[0].{section}.{field}: ")


def test_no_error_shows_what_stands_where_a_mapping_belongs() -> None:
    config = read_config({"environment_variables": {"A": b"s3cret"}, "model_list": b"s3cret"}, {})
    assert len(config.errors) == 2
    assert "s3cret" not in str(config.errors)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
SECTIONS = st.sampled_from(
    ["model_list", "litellm_settings", "general_settings", "router_settings", "environment_variables"]
)


@given(st.dictionaries(SECTIONS | st.text(max_size=8), YAML_VALUES, max_size=5))
def test_no_file_makes_the_reader_raise(document: dict[str, Any]) -> None:
    config = read_config(document, {})
    skipped = [each.reason for each in config.skipped]
    assert all(isinstance(line, str) for line in (*config.errors, *skipped, *config.warnings))
