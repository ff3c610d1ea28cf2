"""The words of the checks: what an owner reads of a config."""

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models_registry.config.absent import ABSENT
from models_registry.config.known_keys import REQUEST_PARAMS
from models_registry.config.providers import PROVIDERS
from models_registry.config.sections import (
    GeneralSettings,
    LitellmParams,
    LitellmSettings,
    ModelInfo,
    RouterSettings,
)
from runtime.blueprint import Checked, check
from runtime.serving.serve import settings_errors

OPENAI = {"model": "openai/gpt-4o", "api_key": "sk-x"}
FREE = {"input_cost_per_token": 0, "output_cost_per_token": 0}


def entry(params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"model_name": "m", "litellm_params": {**OPENAI, **(params or {})}, **more}


def of(text: str, **env: str) -> Checked:
    return check(yaml.safe_load(text), env)


def warnings_of(document: dict[str, Any], **env: str) -> tuple[str, ...]:
    found = check(document, env)
    assert found.errors == ()
    return found.warnings


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("shuffle", "'shuffle' is none of simple-shuffle, least-busy, latency-based-routing, "),
        ("simple_shuffle", "'simple_shuffle' is none of simple-shuffle"),
    ],
)
def test_a_routing_strategy_that_has_no_effect_is_named(strategy: str, says: str) -> None:
    (warning,) = warnings_of({"router_settings": {"routing_strategy": strategy}})
    assert warning.startswith(f"router_settings.routing_strategy: {says}")
    assert warnings_of({"router_settings": {"routing_strategy": "simple-shuffle"}}) == ()
    assert warnings_of({"router_settings": {"routing_strategy": None}}) == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("litellm_settings: {callbacks: [langfuse, s3]}", "litellm_settings.callbacks (langfuse, s3)"),
        ("mcp_servers: [{server_name: deepwiki, url: x}]", "mcp_servers (deepwiki)"),
        ("vector_store_registry: [{vector_store_name: docs}]", "vector_store_registry (docs)"),
        (
            "router_settings: {caching_groups: [prompt_caching]}",
            "router_settings.caching_groups (prompt_caching)",
        ),
        (
            "general_settings: {alert_types: [llm_exceptions, db_exceptions]}",
            "general_settings.alert_types (llm_exceptions, db_exceptions)",
        ),
        ("litellm_settings: {callbacks: ['https://x/s3cret', 5, {k: s3cret}]}", "litellm_settings.callbacks"),
        (
            "litellm_settings: {callbacks: [a,b,c,d,e,f,g,h,i,j,k,l]}",
            "litellm_settings.callbacks (a, b, c, d, e, f, g, h, i, j and 2 more)",
        ),
    ],
)
def test_a_list_without_an_effect_stands_with_its_names(text: str, warning: str) -> None:
    assert of(text).warnings == (f"{warning}: has no effect in this version",)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("litellm_settings", "langfuse_default_tags"),
        ("general_settings", "disable_responses_id_security"),
        ("router_settings", "tag_routing_prefix"),
    ],
)
def test_a_key_that_litellm_has_is_not_called_unknown(section: str, key: str) -> None:
    assert of(f"{section}: {{{key}: true}}").warnings == (f"{section}.{key}: has no effect in this version",)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "router_settings: {model_group_alias: {a: m, agent: [m, n]}}",
            "router_settings.model_group_alias.agent:",
        ),
        (
            "router_settings: {model_group_retry_policy: {m: {}, n: 5}}",
            "router_settings.model_group_retry_policy.n:",
        ),
        (
            "router_settings: {provider_budget_config: {openai: 5}}",
            "router_settings.provider_budget_config.openai:",
        ),
    ],
)
def test_an_error_within_a_mapping_names_its_key(text: str, place: str) -> None:
    assert [line for line in of(text).errors if line.startswith(place)]


def test_what_looks_like_a_key_in_a_list_is_not_shown() -> None:
    (line,) = of("litellm_settings: {callbacks: [sk-proj-abcdef0123456789abcdef, s3]}").warnings
    assert line == "litellm_settings.callbacks (s3): has no effect in this version"
    (line,) = of("router_settings: {routing_strategy: sk-proj-abcdef0123456789abcdef}").warnings
    assert "abcdef0123456789" not in line


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings: {cache: false, set_verbose: False, json_logs: false, callbacks: []}",
        "general_settings: {store_model_in_db: false, disable_spend_logs: false, custom_auth: null}",
        "general_settings: {alert_to_webhook_url: {}, alerting_args: null, background_health_checks: false}",
        "router_settings: {enable_pre_call_checks: false, redis_host: '', model_group_alias: {}}",
        "guardrails: []\nmcp_servers: {}\nprompts:\n",
        "model_list: [{model_name: m, litellm_params: {model: hosted_vllm/x, api_base: 'http://gpu/v1', "
        "use_in_pass_through: false, tags: [], mock_response: null}, model_info: {blocked: false}}]",
        "litellm_settings: {require_auth_for_metrics_endpoint: true, store_audit_logs: true}",
        "general_settings: {cancel_on_disconnect: true, enforce_fallback_model_access: true}",
        "general_settings: {disable_master_key_return: true, enforce_fallback_budget: true}",
        "litellm_settings: {enable_azure_ad_token_refresh: true}",
    ],
)
def test_a_key_that_asks_for_nothing_is_no_warning(text: str) -> None:
    assert of(text).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings: {json_logs: true}",
        "litellm_settings: {require_auth_for_metrics_endpoint: false}",
        "general_settings: {enforce_fallback_model_access: false}",
        "router_settings: {client_ttl: 60}",
    ],
)
def test_a_key_that_asks_for_something_is_one(text: str) -> None:
    (warning,) = of(text).warnings
    assert warning.endswith("has no effect in this version")


def test_many_unset_variables_are_one_line() -> None:
    params = [{f"X-{number}": f"os.environ/GONE_{number}"} for number in range(69)]
    models = [entry({"extra_headers": headers}) for headers in params]
    (line,) = warnings_of({"model_list": models})
    assert line.startswith("the environment has no GONE_0, GONE_1, ")
    assert "GONE_68: what stands there is null" in line


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (["A"], "model_list[0].litellm_params.extra_headers.X-0: the environment has no A"),
        (
            ["A", "B"],
            "the environment has no A (model_list[0].litellm_params.extra_headers.X-0), "
            "B (model_list[0].litellm_params.extra_headers.X-1): what stands there is null",
        ),
        (
            ["A", "A"],
            "the environment has no A (model_list[0].litellm_params.extra_headers.X-0): what stands there "
            "is null",
        ),
    ],
)
def test_few_unset_variables_are_told_with_their_places(variables: list[str], line: str) -> None:
    headers = {f"X-{place}": f"os.environ/{name}" for place, name in enumerate(variables)}
    assert warnings_of({"model_list": [entry({"extra_headers": headers})]}) == (line,)


def test_the_variable_of_a_section_and_of_a_skipped_deployment_are_told_apart() -> None:
    lost = {"model_name": "lost", "litellm_params": {"model": "openai/x", "api_key": "os.environ/LOST"}}
    found = check({"model_list": [lost], "general_settings": {"master_key": "os.environ/MASTER"}}, {})
    assert found.warnings == ("general_settings.master_key: the environment has no MASTER",)
    assert "LOST" in found.skipped_lines[0]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "litellm_settings: {master_key: x}",
            "litellm_settings.master_key: has no effect here; it belongs in `general_settings`",
        ),
        (
            "litellm_settings: {routing_strategy: x}",
            "litellm_settings.routing_strategy: has no effect here; it belongs in `router_settings`",
        ),
        (
            "general_settings: {drop_params: true}",
            "general_settings.drop_params: has no effect here; it belongs in `litellm_settings` or "
            "`litellm_params`",
        ),
        (
            "general_settings: {num_retries: 3}",
            "general_settings.num_retries: has no effect here; it belongs in `router_settings` or "
            "`litellm_settings` or `litellm_params`",
        ),
        (
            "router_settings: {database_url: x}",
            "router_settings.database_url: has no effect here; it belongs in `general_settings`",
        ),
        ("master_key: x", "master_key: has no effect here; it belongs in `general_settings`"),
        ("success_callback: [x]", "success_callback: has no effect here; it belongs in `litellm_settings`"),
    ],
)
def test_a_misplaced_key_is_told_its_section(text: str, warning: str) -> None:
    assert of(text).warnings == (warning,)


NOT_SENT = "litellm_params.{}: has no effect here; it belongs in `{}`; it is not sent"
IN_PARAMS = "has no effect here; it belongs in `litellm_params`"


@pytest.mark.parametrize(
    ("params", "more", "warning"),
    [
        ({"base_model": "gpt-4o"}, {}, NOT_SENT.format("base_model", "model_info")),
        ({"access_groups": ["a"]}, {}, NOT_SENT.format("access_groups", "model_info")),
        ({"master_key": "x"}, {}, NOT_SENT.format("master_key", "general_settings")),
        ({}, {"api_base": "x"}, "api_base: has no effect here; it belongs in `litellm_params`"),
        ({}, {"base_model": "x"}, "base_model: has no effect here; it belongs in `model_info`"),
        ({}, {"model_info": {"rpm": 5}}, f"model_info.rpm: {IN_PARAMS}"),
        ({}, {"model_infos": {}}, "model_infos: unknown key; did you mean `model_info`?"),
    ],
)
def test_a_misplaced_key_of_a_deployment_is_told_its_section(
    params: dict[str, Any], more: dict[str, Any], warning: str
) -> None:
    found = check({"model_list": [entry(params, **more)]}, {})
    assert (found.errors, found.skipped) == ((), ())
    assert found.warnings == (f"model_list[0].{warning}",)
    assert not params.keys() & found.registry.target("m", allowed=(), roll=0.0).params.keys()


@pytest.mark.parametrize(
    "text",
    [
        "${OPENAI_API_KEY}",
        "${OPENAI_API_KEY:-sk-default}",
        "$OPENAI_API_KEY",
        "{{ OPENAI_API_KEY }}",
        "${{ env.OPENAI_API_KEY }}",
        "os.environ.OPENAI_API_KEY",
        "os.environ['OPENAI_API_KEY']",
        'os.environ.get("OPENAI_API_KEY")',
        "os.getenv(OPENAI_API_KEY)",
        "env/OPENAI_API_KEY",
    ],
)
def test_a_variable_as_other_programs_write_it_is_warned_of(text: str) -> None:
    (line,) = warnings_of({"model_list": [entry({"api_key": text})]}, OPENAI_API_KEY="sk-s3cret")
    assert line.startswith("a variable is looked up where it is written as os.environ/NAME, and nowhere else")
    assert line.endswith("what stands there is taken as text: model_list[0].litellm_params.api_key")
    assert "s3cret" not in line


@pytest.mark.parametrize("text", ["sk-$5", "price in $", "{x}", "os.environ/OPENAI_API_KEY", "a$B$c", "$1"])
def test_a_text_that_is_no_variable_is_not(text: str) -> None:
    assert warnings_of({"model_list": [entry({"api_key": text})]}, OPENAI_API_KEY="sk-x") == ()


def test_a_variable_that_is_none_is_told_of_a_skipped_deployment_too() -> None:
    models = [{"model_name": "m", "litellm_params": {**OPENAI, "api_base": "${BASE}/v1"}}] * 30
    found = check({"model_list": models}, {})
    (line,) = found.warnings
    assert "model_list[0].litellm_params.api_base, model_list[1]" in line
    assert line.endswith("and 20 more")
    (skipped,) = found.skipped_lines
    assert skipped.startswith("model_list[0].litellm_params.api_base: expected http:// or https://")
    assert "(and model_list[1], model_list[2], " in skipped
    assert len(found.skipped) == 30


@pytest.mark.parametrize(
    ("model", "address", "says"),
    [
        ("openai/x", "https://llm.test/v1/chat/completions", "it ends with /chat/completions, and /chat/"),
        ("openai/x", "https://llm.test/v1/embeddings", "it ends with /embeddings"),
        ("openai/x", "https://llm.test/v1/responses/", "it ends with /responses"),
        ("hosted_vllm/x", "http://gpu:8000/v1/v1", "it has /v1 twice"),
        ("anthropic/x", "https://claude.test/v1", "it ends with /v1, and /v1/messages is put behind it"),
        ("anthropic/x", "https://claude.test/v1/messages", "it ends with /v1/messages"),
        ("ollama/x", "http://gpu:11434/v1", "it ends with /v1, and /api/chat is put behind it"),
        ("ollama/x", "http://gpu:11434/api", "it ends with /api, and /api/chat is put behind it"),
        ("ollama_chat/x", "http://gpu:11434/api/generate", "it ends with /api/generate"),
    ],
)
def test_an_address_with_a_path_too_many_is_warned_of(model: str, address: str, says: str) -> None:
    params = {**FREE, "model": model, "api_base": address}
    (warning,) = warnings_of({"model_list": [entry(params)]})
    assert warning.startswith(f"model_list[0].litellm_params.api_base: {says}")
    assert "test" not in warning


@pytest.mark.parametrize(
    ("model", "address"),
    [
        ("openai/x", "https://llm.test/v1"),
        ("openai/x", "https://llm.test/openai/deployments/x"),
        ("anthropic/x", "https://claude.test/anthropic"),
        ("ollama/x", "http://gpu:11434"),
        ("hosted_vllm/x", "http://gpu:8000/v1/"),
    ],
)
def test_an_address_as_it_should_be_is_not(model: str, address: str) -> None:
    assert warnings_of({"model_list": [entry({**FREE, "model": model, "api_base": address})]}) == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "input_cost_per_token",
            2.5,
            "2.5 dollars a token are 2,500,000 dollars per million tokens; if 2.5 is "
            "meant per million, write 2.5e-06",
        ),
        ("output_cost_per_token", "10", "10 dollars a token are 10,000,000 dollars"),
        ("cache_read_input_token_cost", 0.3, "0.3 dollars a token are 300,000 dollars"),
        ("cache_creation_input_token_cost_above_1hr", 6, "6 dollars a token"),
        ("input_cost_per_token_above_200k_tokens", 5, "5 dollars a token"),
        ("output_cost_per_reasoning_token", 60, "60 dollars a token"),
        ("input_cost_per_audio_token", 0.05, "0.05 dollars a token are 50,000 dollars"),
        (
            "tiered_pricing",
            [{"range": [0, 1], "output_cost_per_token": 9}],
            "9 dollars a token are 9,000,000",
        ),
    ],
)
@pytest.mark.parametrize("section", ["litellm_params", "model_info"])
def test_a_price_that_looks_like_one_of_a_million_tokens_is_warned_of(
    name: str, value: Any, says: str, section: str
) -> None:
    deployment = entry()
    deployment.setdefault(section, {})[name] = value
    doubts = [each for each in warnings_of({"model_list": [deployment]}) if "dollars a token" in each]
    (doubt,) = doubts
    assert doubt.startswith(f"model_list[0].{section}.{name}: {says}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_cost_per_token", 0.0006),
        ("input_cost_per_token", 3e-06),
        ("output_cost_per_token", 0),
        ("input_cost_per_request", 2.5),
        ("input_cost_per_image", 0.04),
        ("input_cost_per_second", 0.01),
    ],
)
def test_a_price_that_may_be_one_is_not(name: str, value: float) -> None:
    assert warnings_of({"model_list": [entry({**FREE, name: value})]}) == ()


@pytest.mark.parametrize("prefix", ["palm", "sagemaker", "watsonx"])
def test_a_provider_that_this_version_lacks_is_skipped_and_named(prefix: str) -> None:
    said = f"the provider {prefix} is not in this version"
    (line,) = check({"model_list": [entry({"model": f"{prefix}/x"})]}, {}).skipped_lines
    assert line.startswith(f"model_list[0].litellm_params.model: {said}")
    forced = {"model": "x", "custom_llm_provider": prefix}
    (line,) = check({"model_list": [entry(forced)]}, {}).skipped_lines
    assert line.startswith(f"model_list[0].litellm_params.custom_llm_provider: {said}")


def test_a_provider_has_a_row_or_is_absent_and_not_both() -> None:
    assert not ABSENT & PROVIDERS.keys()


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("azure/gpt-4o", "provider azure needs an address, usually https://<resource>.openai.azure.com"),
        ("vllm/qwen", "provider vllm needs an address, usually http://localhost:8000/v1"),
        ("litellm_proxy/x", "provider litellm_proxy needs an address"),
        (
            "databricks/x",
            "provider databricks needs an address, or what is missing in https://{DATABRICKS_HOST}",
        ),
    ],
)
def test_a_provider_without_an_address_says_what_it_needs(model: str, says: str) -> None:
    (line,) = check({"model_list": [entry({"model": model})]}, {}).skipped_lines
    assert says in line


def test_entries_with_the_same_reason_share_a_line() -> None:
    models = [entry({"model": "sagemaker/a"}), entry({"model": "oci/x"}), entry({"model": "sagemaker/b"})]
    first, second = check({"model_list": models}, {}).skipped_lines
    assert first.startswith("model_list[0].litellm_params.model: the provider sagemaker")
    assert first.endswith("(this deployment is skipped) (and model_list[2])")
    assert second.startswith("model_list[1].litellm_params.model: the provider oci")


def test_entries_with_the_same_warning_share_a_line() -> None:
    models = [entry({"rpd": 5}) for _ in range(12)]
    (line,) = warnings_of({"model_list": models})
    said = "model_list[0].litellm_params.rpd: has no effect in this version"
    others = ", ".join(f"model_list[{number}]" for number in range(1, 6))
    assert line == f"{said} (and {others} and 6 more)"


@pytest.mark.parametrize(
    "name",
    [
        *("mock_timeout", "policies", "cache", "mock_response", "api_type", "ttl", "fastest_response"),
        *("langfuse_public_key", "turn_off_message_logging", "litellm_disabled_callbacks", "_litellm_x"),
    ],
)
def test_litellms_own_words_are_sent_to_nobody(name: str) -> None:
    found = check({"model_list": [entry({name: [1]})]}, {})
    assert found.warnings == (f"model_list[0].litellm_params.{name}: has no effect in this version",)
    assert not found.registry.target("m", allowed=(), roll=0.0).params


ANY: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats()
ANY = ANY | st.sampled_from(["openai/gpt-4o", "*", "ollama/x", "http://gpu/v1", "os.environ/X", "${X}", "5m"])
ANY = (
    ANY
    | st.lists(ANY, max_size=2)
    | st.dictionaries(st.sampled_from(["a", "range", "type"]), ANY, max_size=2)
)


def _names(*kinds: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)]


PARAMS = [*_names(LitellmParams), *sorted(REQUEST_PARAMS), "think", "options", "keep_alive", "tiered_pricing"]
ENTRIES = st.fixed_dictionaries(
    {"model_name": st.sampled_from(["m", "*", "o/*"])},
    optional={
        "litellm_params": st.dictionaries(st.sampled_from(PARAMS), ANY, max_size=5) | ANY,
        "model_info": st.dictionaries(st.sampled_from(_names(ModelInfo)), ANY, max_size=3) | ANY,
    },
)
SETTINGS = st.dictionaries(
    st.sampled_from(_names(GeneralSettings, RouterSettings, LitellmSettings)), ANY, max_size=3
)


@given(
    st.lists(ENTRIES, max_size=3), SETTINGS, st.sampled_from(["openai/gpt-4o", "*", "ollama/x", "azure/x"])
)
def test_no_file_makes_the_check_raise(
    entries: list[dict[str, Any]], values: dict[str, Any], model: str
) -> None:
    for each in entries:
        if isinstance(each.get("litellm_params"), dict):
            each["litellm_params"] = {"model": model, "api_key": "k", **each["litellm_params"]}
    sections = ("general_settings", "router_settings", "litellm_settings")
    found = check({"model_list": entries, **dict.fromkeys(sections, values)}, {"OPENAI_API_KEY": "k"})
    assert all(isinstance(line, str) for line in (*found.errors, *found.warnings, *found.skipped_lines))
    assert all(isinstance(line, str) for line in settings_errors(found.config))
