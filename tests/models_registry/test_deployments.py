from datetime import UTC, datetime
from typing import Any

import pytest

from models_registry.config import Config, read_config
from models_registry.config_values import BadDeployment
from models_registry.deployments import compile_target, compile_targets, expand
from models_registry.registry import build_registry
from models_registry.target import Target

AT = datetime(2026, 1, 1, tzinfo=UTC)


def config_of(env: dict[str, str] | None = None, **params: Any) -> Config:
    params.setdefault("model", "openai/gpt-4")
    config = read_config({"model_list": [{"model_name": "m", "litellm_params": params}]}, env or {})
    assert config.errors == ()
    return config


def compiled(env: dict[str, str] | None = None, **params: Any) -> Target:
    config = config_of(env, **params)
    return compile_target(config, config.deployments[0], AT)


def refusal(env: dict[str, str] | None = None, **params: Any) -> str:
    with pytest.raises(BadDeployment) as caught:
        compiled(env, **params)
    return str(caught.value).removeprefix("model_list[0].litellm_params.")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://user:s3cret@host/v1", "user or password"),
        ("http://s3cret@host/v1", "user or password"),
        ("https://host/v1?key=s3cret", "query or fragment"),
        ("https://host/v1#s3cret", "query or fragment"),
        ("https://host/v1?", "query or fragment"),
        ("https://host:s3cret/v1", "bad host or port"),
        ("https://[s3cret/v1", "bad host or port"),
        ("https://host:0/v1", "http:// or https:// and a host"),
        ("https:///s3cret", "http:// or https:// and a host"),
        ("s3cret", "http:// or https:// and a host"),
        ("https://host/s3cret\nx", "blank or control"),
        ("https://host/s3cret x", "blank or control"),
    ],
)
def test_an_address_with_more_than_an_address_is_refused_unshown(address: str, says: str) -> None:
    message = refusal(api_base=address)
    assert message.startswith("api_base: ")
    assert says in message
    assert "s3cret" not in message
    assert refusal(base_url=address).startswith("base_url: ")
    assert "s3cret" not in refusal({"OPENAI_BASE_URL": address})


def test_an_address_is_taken_without_its_last_slash() -> None:
    assert compiled(api_base="http://[::1]:8080/v1/").api_base == "http://[::1]:8080/v1"


@pytest.mark.parametrize("key", ["sk-s3cret\n", "sk-\r\ns3cret: x", "sk-s3cret\0", "sk-s3cret\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused_unshown(key: str) -> None:
    for message in (refusal(api_key=key), refusal({"OPENAI_API_KEY": key})):
        assert message.startswith("api_key: ")
        assert "s3cret" not in message


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"X-Team": "s3cret\r\nevil: 1"}, "extra_headers.x-team: "),
        ({"x-team": "s3cret\x7f"}, "extra_headers.x-team: "),
        ({"x team": "s3cret"}, "extra_headers: "),
        ({"x\nteam": "s3cret"}, "extra_headers: "),
        ({"": "s3cret"}, "extra_headers: "),
    ],
)
def test_a_header_that_would_end_its_line_is_refused_unshown(headers: dict[str, str], path: str) -> None:
    message = refusal(extra_headers=headers)
    assert message.startswith(path)
    assert "s3cret" not in message
    assert refusal(organization="org\n1").startswith("organization: ")


NUMBERS = [
    "1e999999999",
    "1e99999999999999999999",
    "nan",
    float("nan"),
    "inf",
    "-1",
    -1,
    pytest.param(10**5000, id="5001 digits"),
    "cheap",
]


@pytest.mark.parametrize("value", [*NUMBERS, 1001, "1000.01"])
@pytest.mark.parametrize(
    "name", ["input_cost_per_token", "input_cost_per_request", "cache_read_input_token_cost"]
)
def test_a_price_out_of_range_is_refused_by_path(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: expected a number of zero or more, up to 1000")


@pytest.mark.parametrize("value", [*NUMBERS, 0, "0.0", "1e-400", "1e400", 604_801])
@pytest.mark.parametrize("name", ["timeout", "stream_timeout"])
def test_a_timeout_out_of_range_is_refused_by_path(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: expected a number of 0.001, up to 604800")


@pytest.mark.parametrize("value", [*NUMBERS, 10**9 + 1])
def test_a_weight_out_of_range_is_refused_by_path(value: Any) -> None:
    assert refusal(weight=value).startswith("weight: expected a number of zero or more, up to 1000000000")


def test_the_limits_themselves_are_in_range() -> None:
    target = compiled(input_cost_per_token=1000, timeout=604_800, weight="1e9")
    assert target.price is not None
    assert (target.price.input, target.deadlines.total_s, target.weight) == (10**18, 604_800.0, 1e9)
    assert compiled(output_cost_per_token="1e-999999", weight=0).price is not None


def test_a_star_for_a_model_is_every_provider_that_can_be_called() -> None:
    config = config_of({"OPENAI_API_KEY": "sk-o"}, model="*")
    targets = compile_targets(config, config.deployments[0], AT)
    assert {"openai", "ollama"} <= {target.provider for target in targets}
    assert not {"anthropic", "hosted_vllm"} & {target.provider for target in targets}
    assert len({target.model_id for target in targets}) == len(targets)


@pytest.mark.parametrize(
    ("asked", "provider", "model"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("anthropic/claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("ollama/library/mistral", "ollama", "library/mistral"),
        ("nowhere/gpt", None, None),
        ("nothing", None, None),
    ],
)
def test_the_caller_of_a_star_names_the_provider(asked: str, provider: str | None, model: str | None) -> None:
    config = config_of({"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"}, model="*")
    targets = compile_targets(config, config.deployments[0], AT)
    found = [target for each in targets if (target := expand(each, asked, AT)) is not None]
    assert [(target.provider, target.model) for target in found] == ([(provider, model)] if provider else [])
    if provider in ("openai", "anthropic"):
        assert found[0].price is not None


def test_a_wildcard_of_one_provider_keeps_it() -> None:
    config = config_of(model="openai/*")
    (target,) = compile_targets(config, config.deployments[0], AT)
    expanded = expand(target, "anthropic/x", AT)
    assert expanded is not None
    assert (expanded.provider, expanded.model) == ("openai", "anthropic/x")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict", "num_predict"])
@pytest.mark.parametrize("value", [0, -1, "many", 1.5])
def test_a_limit_in_the_config_that_limits_nothing_is_an_error_of_its_path(name: str, value: Any) -> None:
    assert refusal(**{name: value}) == f"{name}: expected a whole number of 1 or more"


def test_free_params_are_those_of_the_deployment_and_of_all() -> None:
    document = {
        "model_list": [
            {
                "model_name": "m",
                "litellm_params": {"model": "openai/gpt-4", "api_key": "k"},
                "model_info": {"free_params": ["plugins"], "template_tokens": 300},
            }
        ],
        "general_settings": {"free_params": ["messages.audio"]},
    }
    config = read_config(document, {})
    assert (config.errors, config.warnings) == ((), ())
    target = compile_target(config, config.deployments[0], AT)
    assert target.free_params == {"plugins", "messages.audio"}
    assert target.template_tokens == 300


@pytest.mark.parametrize(
    ("params", "tokens"),
    [
        ({}, 32),
        ({"model": "ollama/llama3"}, 512),
        ({"api_base": "https://api.venice.ai/api/v1"}, 2048),
        ({"api_base": "https://openrouter.ai/api/v1"}, 768),
        ({"api_base": "https://openrouter.ai.evil.test/v1"}, 32),
        ({"api_base": "https://notopenrouter.ai/v1"}, 32),
        ({"model": "openai/openai/gpt-oss-20b", "api_base": "https://api.groq.com/openai/v1"}, 96),
    ],
)
def test_hosts_and_models_with_a_text_of_their_own_have_a_larger_allowance(
    params: dict[str, Any], tokens: int
) -> None:
    assert compiled(api_key="k", **params).template_tokens == tokens


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "max_completion_tokens"),
        ({"model": "openai/o3", "api_base": "https://proxy.test/v1"}, "max_completion_tokens"),
        ({"model": "openai/prod", "api_base": "https://x.openai.azure.com/v1"}, "max_completion_tokens"),
        ({"model": "openai/qwen", "api_base": "https://gpu.test/v1"}, "max_tokens"),
        ({"model": "openai/gpt-oss-20b", "api_base": "https://gpu.test/v1"}, "max_tokens"),
        ({"model": "openai/prod", "api_base": "https://azure.com.evil.test/v1"}, "max_tokens"),
        ({"model": "anthropic/claude-opus-5"}, "max_tokens"),
        ({"model": "hosted_vllm/gpt-4", "api_base": "http://gpu.test/v1"}, "max_tokens"),
    ],
)
def test_a_limit_of_ours_goes_in_the_field_that_the_server_knows(params: dict[str, Any], field: str) -> None:
    assert compiled(api_key="k", **params).limit_field == field


def warned(info: dict[str, object] | None = None, **params: Any) -> tuple[str, ...]:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4", "api_key": "k"} | params}
    config = read_config({"model_list": [entry | ({"model_info": info} if info else {})]}, {})
    _, errors, warnings = build_registry(config, AT)
    assert errors == []
    return tuple(warnings)


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"extra_body": {"plugins": [{"id": "web"}]}}, "extra_body.plugins"),
        (
            {"extra_body": {"venice_parameters": {"enable_web_search": "on"}}},
            "extra_body.venice_parameters.enable_web_search",
        ),
        ({"service_tier": "priority", "model": "openai/unheard-of"}, "service_tier"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"model": "openai/groq/compound"}, "model"),
    ],
)
def test_params_of_a_deployment_without_a_bound_are_told_of_where_they_cost(
    params: dict[str, Any], path: str
) -> None:
    (told,) = (each for each in warned(**params) if "no known bound" in each)
    assert told.startswith(f"model_list[0].litellm_params.{path}: ")
    assert not [each for each in warned({"max_call_cost": 1}, **params) if "no known bound" in each]
    assert warned(**(params | {"model": "ollama/llama3"})) == ()


def test_params_that_cost_nothing_are_told_of_by_nobody() -> None:
    assert warned(temperature=0.2, n=2, stream_options={"include_usage": False}) == ()
