from datetime import UTC, datetime
from typing import Any

import pytest

from models_registry.building import build_registry
from models_registry.config.deployments import compile_target, compile_targets
from models_registry.config.reader import Config, read_config
from models_registry.config.wildcards import expand
from models_registry.facts.allowances import Thinking
from models_registry.numbers import BadDeployment
from models_registry.target import Deadlines, Target

AT = datetime(2026, 1, 1, tzinfo=UTC)


def config_of(env: dict[str, str] | None = None, **params: Any) -> Config:
    """With a key, unless `api_key` says otherwise; `api_key=...` (the ellipsis) leaves the line out."""
    params = {"model": "openai/gpt-4", "api_key": "sk-x"} | params
    params = {name: value for name, value in params.items() if value is not ...}
    config = read_config({"model_list": [{"model_name": "m", "litellm_params": params}]}, env or {})
    assert (config.errors, config.skipped) == ((), ())
    return config


def compiled(env: dict[str, str] | None = None, **params: Any) -> Target:
    config = config_of(env, **params)
    return compile_target(config, config.deployments[0], AT)


def refusal(env: dict[str, str] | None = None, **params: Any) -> str:
    params = {"model": "openai/gpt-4", "api_key": "sk-x"} | params
    params = {name: value for name, value in params.items() if value is not ...}
    config = read_config({"model_list": [{"model_name": "m", "litellm_params": params}]}, env or {})
    if config.deployments:
        with pytest.raises(BadDeployment) as caught:
            compile_target(config, config.deployments[0], AT)
        told = str(caught.value)
    else:
        (told,) = (*config.errors, *(each.reason for each in config.skipped))
    return told.removeprefix("model_list[0].litellm_params.")


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
    for message in (refusal(api_key=key), refusal({"OPENAI_API_KEY": key}, api_key=...)):
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
@pytest.mark.parametrize("name", ["timeout", "stream_timeout", "connect_timeout", "first_token_timeout"])
def test_a_timeout_out_of_range_is_refused_by_path(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: expected a number of 0.001, up to 604800")


def test_each_step_of_a_call_has_a_deadline_of_its_own() -> None:
    target = compiled(connect_timeout=2, first_token_timeout="20", stream_timeout=30, timeout=300)
    assert target.deadlines == Deadlines(connect_s=2, first_byte_s=20, idle_s=30, total_s=300)
    assert target.params == {}
    assert target.deadlines.asked(100, None) == Deadlines(
        connect_s=2, first_byte_s=20, idle_s=30, total_s=100
    )


@pytest.mark.parametrize("value", [*NUMBERS, 10**9 + 1])
def test_a_weight_out_of_range_is_refused_by_path(value: Any) -> None:
    assert refusal(weight=value).startswith("weight: expected a number of zero or more, up to 1000000000")


@pytest.mark.parametrize("value", [*NUMBERS, 86_401])
def test_a_cooldown_out_of_range_is_refused_by_path(value: Any) -> None:
    said = refusal(cooldown_time=value)
    assert said.startswith("cooldown_time: expected a number of zero or more, up to 86400")


def test_a_deployment_may_have_a_cooldown_of_its_own() -> None:
    assert compiled(cooldown_time="120").cooldown_s == 120.0
    assert compiled(cooldown_time=0).cooldown_s == 0.0
    assert compiled().cooldown_s is None


def test_the_limits_themselves_are_in_range() -> None:
    target = compiled(input_cost_per_token=1000, timeout=604_800, weight="1e9")
    assert target.price is not None
    assert (target.price.input, target.deadlines.total_s, target.weight) == (10**18, 604_800.0, 1e9)
    assert compiled(output_cost_per_token="1e-999999", weight=0).price is not None


def test_a_star_for_a_model_is_every_provider_that_can_be_called() -> None:
    config = config_of({"OPENAI_API_KEY": "sk-o"}, model="*", api_key=...)
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
    config = config_of({"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"}, model="*", api_key=...)
    targets = compile_targets(config, config.deployments[0], AT)
    found = [target for each in targets if (target := expand(each, asked, AT)) is not None]
    assert [(target.provider, target.model) for target in found] == ([(provider, model)] if provider else [])
    if provider in ("openai", "anthropic"):
        assert found[0].price is not None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"api_key": "sk-s3cret"}, "api_key"),
        ({"api_key": "os.environ/OPENAI_API_KEY"}, "api_key"),
        ({"api_key": ..., "extra_headers": {"Authorization": "Bearer s3cret"}}, "extra_headers"),
        ({"api_key": ..., "extra_headers": {"X-Goog-Api-Key": "s3cret"}}, "extra_headers"),
    ],
)
def test_a_key_that_is_written_down_goes_to_no_provider_that_nobody_named(
    params: dict[str, Any], field: str
) -> None:
    env = {"OPENAI_API_KEY": "sk-s3cret", "HOSTED_VLLM_API_BASE": "http://gpu:8000/v1"}
    config = config_of(env, model="*", **params)
    with pytest.raises(BadDeployment, match="every provider") as caught:
        compile_targets(config, config.deployments[0], AT)
    assert caught.value.path == f"model_list[0].litellm_params.{field}"
    assert "s3cret" not in str(caught.value)
    for named in ({"api_base": "https://one.test/v1"}, {"model": "openai/*"}):
        config = config_of(env, **{"model": "*", **params, **named})
        assert compile_targets(config, config.deployments[0], AT)


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
    unpacked = refusal(extra_body={name: value})
    assert unpacked == f"extra_body.{name}: expected a whole number of 1 or more"


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


def test_a_stated_template_holds_for_every_model_of_a_wildcard() -> None:
    def allowance(info: dict[str, int]) -> int:
        params = {"model": "openai/*", "api_key": "k", "api_base": "https://openrouter.ai/api/v1"}
        entry = {"model_name": "openai/*", "litellm_params": params, "model_info": info}
        config = read_config({"model_list": [entry]}, {})
        (target,) = compile_targets(config, config.deployments[0], AT)
        expanded = expand(target, "gpt-oss-20b", AT)
        assert expanded is not None
        return expanded.template_tokens

    assert allowance({"template_tokens": 40}) == 40
    assert allowance({}) == 768


def test_thinking_beside_the_limit_is_known_of_every_model_of_a_wildcard() -> None:
    def thinks(pattern: str, asked: str, base: str) -> Thinking:
        config = config_of(model=pattern, api_base=base)
        (target,) = compile_targets(config, config.deployments[0], AT)
        expanded = expand(target, asked, AT)
        assert expanded is not None
        return expanded.thinking

    assert thinks("openai/*", "qwen3", "https://api.x.ai/v1") is Thinking.BESIDE
    assert thinks("openai/*", "x-ai/grok-4", "https://openrouter.ai/api/v1") is Thinking.BESIDE
    assert thinks("openai/*", "gpt-5", "https://openrouter.ai/api/v1") is Thinking.INSIDE
    assert compiled(api_base="https://openrouter.ai/api/v1").least_output_tokens == 16


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
    built = build_registry(config, AT)
    assert (built.errors, built.skipped) == ((), ())
    return tuple(built.warnings)


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
    local = warned(**(params | {"model": "ollama/llama3"}))
    assert not [each for each in local if "no known bound" in each]


def test_params_that_cost_nothing_are_told_of_by_nobody() -> None:
    assert warned(temperature=0.2, n=2, stream_options={"include_usage": False}) == ()


ENV = {
    "OPENAI_API_KEY": "sk-env-openai",
    "ANTHROPIC_API_KEY": "sk-env-anthropic",
    "HOSTED_VLLM_API_KEY": "sk-env-vllm",
}


def key_of(env: dict[str, str], **params: Any) -> str | None:
    key = compiled(env, **({"api_key": ...} | params)).api_key
    return None if key is None else key.reveal()


def test_the_environments_key_goes_to_the_providers_own_hosts() -> None:
    assert key_of(ENV) == "sk-env-openai"
    assert key_of(ENV, api_base="https://eu.api.openai.com/v1") == "sk-env-openai"
    assert key_of(ENV, api_key=None) == "sk-env-openai"
    assert key_of(ENV, api_key="os.environ/SECOND_KEY") == "sk-env-openai"
    assert key_of(ENV, model="anthropic/claude-sonnet-4-6") == "sk-env-anthropic"
    proxied = {**ENV, "OPENAI_BASE_URL": "https://llm.corp.example/v1"}
    assert key_of(proxied) == "sk-env-openai"
    assert key_of(proxied, api_base="https://llm.corp.example/eu/v1") == "sk-env-openai"


@pytest.mark.parametrize("model", ["openai/llama", "anthropic/claude-sonnet-4-6", "openai/*"])
@pytest.mark.parametrize("key", [..., None, "", "  ", "os.environ/GROQ_API_KEY", "os.environ/EMPTY"])
@pytest.mark.parametrize(
    "address",
    [
        "https://api.groq.com/openai/v1",
        "https://api.openai.com.evil.tld/v1",
        "https://api.anthropic.com.evil.tld",
        "http://api.openai.com/v1",
        "http://api.anthropic.com",
    ],
)
def test_no_environment_key_goes_to_another_vendor_and_the_line_to_add_is_told(
    model: str, key: Any, address: str
) -> None:
    env = {**ENV, "EMPTY": ""}
    for name in ("api_base", "base_url"):
        message = refusal(env, **{"model": model, "api_key": key, name: address})
        assert message.startswith("api_key: ")
        assert "own hosts alone. Add `api_key: os.environ/NAME`" in message
        assert "`api_key: none`" in message
        assert "sk-env" not in message


def test_an_explicit_key_goes_where_the_deployment_says() -> None:
    assert key_of(ENV, api_base="https://api.groq.com/openai/v1", api_key="gsk_own") == "gsk_own"
    assert key_of(ENV, api_base="https://api.groq.com/openai/v1", api_key="none") == "none"
    named = key_of(
        {**ENV, "GROQ": "gsk_env"}, api_base="https://api.groq.com/openai/v1", api_key="os.environ/GROQ"
    )
    assert named == "gsk_env"


def test_without_a_key_the_message_names_the_variable_that_would_give_one() -> None:
    assert "the environment has no OPENAI_API_KEY. Set it" in refusal(api_key=...)
    assert "no value for MINE, and the environment has no ANTHROPIC_API_KEY" in refusal(
        model="anthropic/claude-sonnet-4-6", api_key="os.environ/MINE"
    )


@pytest.mark.parametrize(
    "params",
    [
        {"model": "openai/qwen", "api_base": "http://gpu-1:8000/v1"},
        {"model": "openai/qwen", "api_base": "http://192.168.1.5:8000/v1", "api_key": ""},
        {"model": "custom_openai/qwen", "api_base": "https://gpu.example.com/v1"},
        {"model": "ollama/mistral"},
        {
            "model": "ollama_chat/mistral",
            "api_base": "http://ollama:11434",
            "api_key": "os.environ/NONE_SUCH",
        },
        {"model": "llamacpp/x", "api_base": "http://127.0.0.1:8080/v1"},
        {"model": "lm_studio/x", "api_base": "http://localhost:1234/v1", "api_key": None},
        {"model": "openai/x", "api_base": "https://gw.example.com/v1", "extra_headers": {"Api-Key": "k"}},
    ],
)
def test_a_server_that_may_need_no_key_is_called_without_one(params: dict[str, Any]) -> None:
    assert key_of({"OPENAI_API_KEY": "sk-env-openai"}, **params) is None


def test_a_key_that_a_variable_was_to_give_is_missed_on_this_network_too() -> None:
    assert "no value for GPU_KEY" in refusal(api_base="http://gpu-1:8000/v1", api_key="os.environ/GPU_KEY")


def test_a_local_providers_key_stays_on_this_network() -> None:
    assert key_of(ENV, model="hosted_vllm/x", api_base="http://gpu-1:8000/v1") == "sk-env-vllm"
    assert key_of(ENV, model="hosted_vllm/x", api_base="https://api.groq.com/openai/v1") is None


EMPTY_ADDRESSES = ["", "  ", None, "os.environ/NO_SUCH", "os.environ/EMPTY"]


@pytest.mark.parametrize("address", EMPTY_ADDRESSES)
@pytest.mark.parametrize("name", ["api_base", "base_url"])
@pytest.mark.parametrize(
    "model",
    ["openai/local", "anthropic/x", "ollama/mistral", "ollama_chat/x", "hosted_vllm/x", "llamafile/x"],
)
def test_an_address_without_a_value_is_an_error_and_no_default_takes_its_place(
    model: str, name: str, address: Any
) -> None:
    env = {
        **ENV,
        "EMPTY": "",
        "OLLAMA_API_BASE": "http://ollama:11434",
        "HOSTED_VLLM_API_BASE": "http://gpu:1/v1",
    }
    message = refusal(env, **{"model": model, name: address})
    assert message.startswith(f"{name}: ")
    assert "Give it an address" in message
    assert ("NO_SUCH" in message) == (address == "os.environ/NO_SUCH")


def test_an_empty_address_beside_a_full_one_is_no_doubt() -> None:
    assert compiled(api_base=None, base_url="http://gpu:1/v1").api_base == "http://gpu:1/v1"
    assert compiled(api_base="http://gpu:1/v1", base_url="os.environ/NO_SUCH").api_base == "http://gpu:1/v1"


def test_a_star_offers_no_provider_the_key_of_another() -> None:
    config = config_of(ENV, model="*", api_key=..., api_base="https://api.groq.com/openai/v1")
    targets = compile_targets(config, config.deployments[0], AT)
    assert {target.provider for target in targets}.isdisjoint({"openai", "anthropic"})
    assert all(target.api_key is None for target in targets)


def test_only_openais_own_hosts_take_metadata() -> None:
    assert compiled().takes_metadata
    assert compiled(api_base="https://eu.api.openai.com/v1").takes_metadata
    others: list[dict[str, Any]] = [
        {"api_base": "https://api.groq.com/openai/v1"},
        {"model": "custom_openai/x", "api_base": "https://api.openai.com/v1"},
        {"model": "anthropic/claude-sonnet-4-6"},
        {"model": "hosted_vllm/x", "api_base": "http://gpu-1:8000/v1"},
    ]
    assert not any(compiled(**other).takes_metadata for other in others)
