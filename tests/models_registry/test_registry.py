from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.dialects import Dialect
from models_registry.model_names import permits
from models_registry.registry import Registry
from models_registry.routing.route import Route
from models_registry.shown_models import ShownModels
from runtime.blueprint import check
from runtime.limits.capacities import rules_of
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelInError, ModelNotFound
from schema.errors.upstream import ProviderError
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED

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


WILD = (entry("gpt", "openai/gpt-4"), entry("openai/*", "openai/*"), entry("claude-*", "anthropic/claude-*"))


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
    assert "is not available for this API key" in forbidden.value.message, (
        "LiteLLM's words, which scripts look for"
    )


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
        ({"model": "nowhere/gpt"}, "litellm_params.model: names no provider"),
        ({"model": "hosted_vllm/x"}, "litellm_params.api_base: provider hosted_vllm needs an address"),
        (
            {"model": "openai/x", "api_base": "ftp://x"},
            "litellm_params.api_base: expected http:// or https://",
        ),
        ({"model": "openai/x", "timeout": ".nan"}, "litellm_params.timeout: expected a number"),
        ({"model": "openai/x", "extra_body": [1]}, "litellm_params.extra_body: expected a mapping"),
    ],
)
def test_a_deployment_that_cannot_be_called_is_an_error_with_its_path(
    params: dict[str, Any], error: str
) -> None:
    params = {"api_key": "sk-x", **params}
    checked = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {})
    assert checked.errors == ()
    (reason,) = checked.skipped
    assert reason.startswith("model_list[0].")
    assert error in reason


SECRET = "sk-live-S3CRET"
FROM_ENVIRONMENT = "os.environ/S"


@pytest.mark.parametrize("value", [SECRET, FROM_ENVIRONMENT])
@pytest.mark.parametrize(
    ("params", "info"),
    [
        *(({name: ...}, {}) for name in ("timeout", "stream_timeout", "weight", "rpm", "tpm", "num_retries")),
        *(({name: ...}, {}) for name in ("model", "custom_llm_provider", "api_base", "base_url")),
        *(({name: ...}, {}) for name in ("input_cost_per_token", "output_cost_per_token", "max_tokens")),
        *(({name: ...}, {}) for name in ("extra_body", "drop_params", "extra_headers", "tiered_pricing")),
        ({"extra_headers": {SECRET + " ": "x"}}, {}),
        ({"extra_headers": {SECRET: "a\nb"}}, {}),
        ({"search_context_cost_per_query": {"search_context_size_low": ...}}, {}),
        *(({}, {name: ...}) for name in ("max_call_cost", "max_output_tokens", "input_cost_per_token")),
        *(({}, {name: ...}) for name in ("bills_failures", "free_params", "supports_reasoning")),
    ],
    ids=str,
)
def test_no_caller_is_told_a_value_of_the_config(
    params: dict[str, Any], info: dict[str, Any], value: str
) -> None:
    def filled(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value if field is ... else filled(field) if isinstance(field, dict) else field
            for name, field in fields.items()
        }

    deployment = {
        "model_name": "m",
        "litellm_params": {"model": "openai/gpt-4", "api_key": "k", **filled(params)},
        "model_info": filled(info),
    }
    checked = check({"model_list": [deployment]}, {"S": SECRET})
    found = (checked.skipped, checked.skipped_lines, checked.errors, checked.warnings)
    assert SECRET not in str(found)
    assert checked.skipped or checked.errors
    if not checked.skipped:
        return
    with pytest.raises(ModelInError) as caught:
        checked.registry.targets("m", allowed=())
    assert SECRET not in caught.value.message
    assert caught.value.message.count("model_list[0].") == 1


def test_no_caller_is_told_an_id_that_comes_from_the_environment() -> None:
    twins = [entry("m", "openai/a") | {"model_info": {"id": FROM_ENVIRONMENT}} for _ in range(2)]
    checked = check({"model_list": twins}, {"S": SECRET})
    assert len(checked.errors) == 1
    assert SECRET not in str((checked.errors, checked.skipped, checked.warnings))


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


def test_a_cloud_model_without_a_key_is_skipped() -> None:
    document = {"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/gpt-4"}}]}
    (reason,) = check(document, {}).skipped
    assert "the environment has no OPENAI_API_KEY" in reason
    checked = check(document, {"OPENAI_API_KEY": "k"})
    assert (checked.skipped, checked.warnings) == ((), ())


@pytest.mark.parametrize(
    ("model", "address", "env", "says"),
    [
        ("openai/x", "http://gpu-1:8000/v1", {}, "it is called without a key; `api_key: none`"),
        (
            "openai/x",
            "http://gpu-1:8000/v1",
            {"OPENAI_API_KEY": "sk-env"},
            "OPENAI_API_KEY goes to the provider's own hosts alone",
        ),
        (
            "hosted_vllm/x",
            "https://gpu.example.com/v1",
            {"HOSTED_VLLM_API_KEY": "sk-env"},
            "add `api_key: os.environ/HOSTED_VLLM_API_KEY`",
        ),
        ("hosted_vllm/x", "https://gpu.example.com/v1", {}, None),
        ("ollama/mistral", "http://localhost:11434", {}, None),
    ],
)
def test_a_call_without_a_key_is_a_warning_where_somebody_may_have_meant_one(
    model: str, address: str, env: dict[str, str], says: str | None
) -> None:
    params = {"model": model, "api_base": address, "input_cost_per_token": 0, "output_cost_per_token": 0}
    checked = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, env)
    assert checked.skipped == ()
    assert len(checked.warnings) == (says is not None)
    assert says is None or says in checked.warnings[0]


BROKEN: list[Any] = [
    {"model_name": "m", "litellm_params": {"model": "azure/gpt-4", "api_key": "s3cret"}},
    {"model_name": "m", "litellm_params": {"model": "openai/x", "api_base": None, "api_key": "s3cret"}},
    {"model_name": "m", "litellm_params": {"model": "openai/x", "weight": "much", "api_key": "s3cret"}},
    {"model_name": "m", "litellm_params": {"model": ["openai/x"], "api_key": "s3cret"}},
    {"model_name": "m", "litellm_params": {"model": "openai/x", "api_key": "s3cret", "seed": 10**5000}},
    {"model_name": "m", "litellm_params": {"model": "openai/x"}},
    {"model_name": "m", "litellm_params": "s3cret"},
    {"model_name": "m"},
    "s3cret",
    None,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_deployment_in_error_is_skipped_and_the_others_serve(broken: Any) -> None:
    checked = check({"model_list": [entry("gpt", "openai/gpt-4"), broken, entry("m", "openai/o3")]}, {})
    assert checked.errors == ()
    (reason,) = checked.skipped
    assert reason.startswith("model_list[1]")
    assert "s3cret" not in reason
    assert checked.registry.target("gpt", allowed=(), roll=0.0).model == "gpt-4"
    assert [target.model for target in checked.registry.targets("m", allowed=())] == ["o3"]
    assert [card.id for card in ShownModels(checked.registry).cards(allowed=())] == ["gpt", "m"]


@pytest.mark.parametrize("broken", [each for each in BROKEN if isinstance(each, dict)])
def test_a_model_whose_deployments_are_all_in_error_says_why(broken: dict[str, Any]) -> None:
    checked = check({"model_list": [entry("gpt", "openai/gpt-4"), broken]}, {})
    with pytest.raises(ModelInError) as caught:
        checked.registry.target("m", allowed=(), roll=0.0)
    error = caught.value
    assert (error.http_status, error.code, error.reason) == (404, "model_not_found", "deployment_in_error")
    assert (error.param, error.retry) == ("model", False)
    assert checked.skipped[0] in error.message
    assert "s3cret" not in error.message
    with pytest.raises(ModelNotAllowed):
        checked.registry.target("m", allowed=ONLY_GPT, roll=0.0)
    assert not checked.registry.knows("m")
    assert ShownModels(checked.registry).cards(allowed=())[-1].id == "gpt"


def test_a_wildcard_in_error_says_why_for_what_it_would_cover() -> None:
    models = check(
        {"model_list": [{"model_name": "openai/*", "litellm_params": {"model": "openai/*"}}]}, {}
    ).registry
    with pytest.raises(ModelInError, match="OPENAI_API_KEY"):
        models.target("openai/gpt-4o", allowed=(), roll=0.0)
    with pytest.raises(ModelNotFound):
        models.target("anthropic/x", allowed=(), roll=0.0)


def test_many_reasons_are_told_in_part() -> None:
    broken = [{"model_name": "m", "litellm_params": {"model": f"nowhere/{number}"}} for number in range(9)]
    models = check({"model_list": broken}, {}).registry
    with pytest.raises(ModelInError, match=r"\(and 6 more\)"):
        models.target("m", allowed=(), roll=0.0)


LOCAL = {"model": "ollama/llama3.1", "api_base": "ftp://gpu"}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"input_cost_per_token": "cheap"}, {}, "litellm_params.input_cost_per_token: expected a number"),
    ({}, {"output_cost_per_token": -1}, "model_info.output_cost_per_token: expected a number of zero"),
    ({"tiered_pricing": {}}, {}, "litellm_params.tiered_pricing: expected a list"),
    ({"rpm": "many"}, {}, "litellm_params.rpm: Expected `int | null`"),
    ({"tpm": -1}, {}, "litellm_params.tpm: Expected `int` >= 0"),
    ({}, {"max_call_cost": "much"}, "model_info.max_call_cost: expected a number"),
]


@pytest.mark.parametrize(("params", "info", "error"), REFUSED)
@pytest.mark.parametrize("model", ["openai/gpt-4", "nowhere/x"])
def test_wrong_money_and_limits_keep_the_server_from_starting(
    params: dict[str, Any], info: dict[str, Any], error: str, model: str
) -> None:
    deployment = entry("m", model, **params) | {"model_info": info}
    checked = check({"model_list": [entry("gpt", "openai/gpt-4"), deployment]}, {})
    if model == "nowhere/x" and "max_call_cost" in info:
        return  # the deployment is skipped, and nothing is called at that price
    (found,) = checked.errors
    assert found.startswith(f"model_list[1].{error}")
    assert checked.skipped == ()


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"litellm_settings": {"request_timeout": -1}}, "litellm_settings.request_timeout: "),
        ({"router_settings": {"timeout": "soon"}}, "router_settings.timeout: "),
        ({"router_settings": {"stream_timeout": 0}}, "router_settings.stream_timeout: "),
        ({"litellm_settings": {"max_budget": "much"}}, "litellm_settings.max_budget: "),
        ({"general_settings": {"max_parallel_requests": -1}}, "general_settings.max_parallel_requests: "),
    ],
)
def test_a_wrong_setting_is_an_error_of_its_section_and_skips_no_deployment(
    section: dict[str, Any], path: str
) -> None:
    models = [entry("m", "openai/gpt-4"), entry("n", "anthropic/claude-sonnet-4-5")]
    checked = check({"model_list": models, **section}, {})
    (error,) = checked.errors
    assert error.startswith(path)
    assert checked.skipped == ()


@pytest.mark.parametrize("first", ["openai/a", "nowhere/a"])
def test_two_deployments_with_one_id_keep_the_server_from_starting(first: str) -> None:
    twins = [entry("m", model) | {"model_info": {"id": "one"}} for model in (first, "openai/a")]
    checked = check({"model_list": twins}, {})
    assert checked.errors == ("model_list[1].model_info.id: model_list[0] has the same id",)


def test_a_strict_config_refuses_what_would_be_skipped() -> None:
    broken = {"model_list": [entry("gpt", "openai/gpt-4"), entry("m", "nowhere/x")]}
    assert check(broken, {}).errors == ()
    for checked in (
        check(broken, {}, strict=True),
        check(broken | {"general_settings": {"strict_config": True}}, {}),
    ):
        (error,) = checked.errors
        assert error.startswith("model_list[1].litellm_params.model: ")
        assert (checked.skipped, checked.skipped_lines) == ((), ())
    assert check(broken | {"general_settings": {"strict_config": False}}, {}).errors == ()


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("gpt-4o", "*"), "gpt-4o"),
        (("openai/*", "*"), "openai/gpt-4o"),
        (("team-*-large", "team-*"), "team-a-large"),
    ],
)
def test_no_wildcard_takes_the_calls_of_a_name_that_is_skipped(names: tuple[str, str], asked: str) -> None:
    skipped, wide = names
    broken = {"model_name": skipped, "litellm_params": {"model": "nowhere/x"}}
    checked = check({"model_list": [entry(wide, "openai/*"), broken]}, {})
    with pytest.raises(ModelInError, match=r"model_list\[1\]\.litellm_params\.model") as caught:
        checked.registry.targets(asked, allowed=())
    assert caught.value.http_status == 404
    assert not checked.registry.knows(asked)
    with pytest.raises(ModelInError):
        routed(checked, asked)
    assert [card.id for card in ShownModels(checked.registry).cards(allowed=())] == [wide]
    other = "team-b" if wide == "team-*" else "another"
    assert checked.registry.targets(other, allowed=())


def test_a_working_name_under_a_skipped_wildcard_is_not_called_in_error() -> None:
    broken = {"model_name": "openai/*", "litellm_params": {"model": "openai/*"}}
    models = check({"model_list": [broken, entry("openai/gpt-4o", "openai/gpt-4o")]}, {}).registry
    assert models.why_not("openai/gpt-4o") == []
    assert models.targets("openai/gpt-4o", allowed=())
    assert len(models.why_not("openai/gpt-5")) == 1


def routed(checked: Any, model: str) -> Route:
    return Route(checked.registry, checked.routing, model, allowed=(), options=AS_CONFIGURED, roll=0.0)


def test_a_skipped_name_has_no_default_fallbacks() -> None:
    broken = {"model_name": "m", "litellm_params": {"model": "nowhere/x"}}
    for fallbacks in ({"default_fallbacks": ["gpt"]}, {"fallbacks": [{"*": ["gpt"]}]}):
        document = {"model_list": [entry("gpt", "openai/gpt-4"), broken], "router_settings": fallbacks}
        with pytest.raises(ModelInError):
            routed(check(document, {}), "m")


@pytest.mark.parametrize(
    "local",
    [
        LOCAL,
        {"model": "hosted_vllm/qwen"},
        {"model": "ollama_chat/x", "api_base": "os.environ/GONE"},
        {"model": "nowhere/x", "api_base": "http://192.168.1.4:8000/v1"},
        {"model": "openai/x", "custom_llm_provider": "llamafile", "api_base": "nothing"},
    ],
)
def test_a_model_whose_local_deployment_is_skipped_stays_local(local: dict[str, Any]) -> None:
    cloud, broken = entry("m", "openai/gpt-4"), {"model_name": "m", "litellm_params": local}
    checked = check({"model_list": [cloud, broken, entry("n", "openai/gpt-4")]}, {})
    with pytest.raises(ModelInError, match="calls of the model stay local"):
        checked.registry.targets("m", allowed=())
    assert [(each.path, each.follows) for each in checked.registry.skipped] == [
        ("model_list[1]", ""),
        ("model_list[0]", "model_list[1]"),
    ]
    (line,) = checked.skipped_lines
    assert "and with it model_list[0]" in line
    assert checked.registry.targets("n", allowed=())


def test_the_local_half_of_a_model_goes_on_alone_and_falls_back_to_local_models() -> None:
    models = [
        entry("m", "openai/gpt-4"),
        {"model_name": "m", "litellm_params": LOCAL},
        entry("m", "ollama/mistral"),
        entry("cloud", "openai/gpt-4"),
        entry("near", "ollama/mistral"),
    ]
    document = {"model_list": models, "router_settings": {"default_fallbacks": ["cloud", "near"]}}
    checked = check(document, {})
    assert [target.provider for target in checked.registry.targets("m", allowed=())] == ["ollama"]
    route = routed(checked, "m")
    assert route.advance(ProviderError("no", status=400))
    assert route.target.public_name == "near"


def test_a_cloud_deployment_that_is_skipped_changes_nothing_for_the_others() -> None:
    models = [entry("m", "ollama/mistral"), entry("m", "openai/gpt-4"), entry("m", "nowhere/x")]
    found = check({"model_list": models}, {}).registry.targets("m", allowed=())
    assert [target.provider for target in found] == ["ollama", "openai"]


def test_what_only_follows_from_a_skipped_deployment_is_not_told() -> None:
    broken = {
        "model_name": "azure-gpt",
        "litellm_params": {
            "model": "azure/gpt-4",
            "api_key": "os.environ/AZURE_API_KEY",
            "api_base": "os.environ/AZURE_API_BASE",
            "api_version": "2024-02-01",
            "azure_ad_token": "x",
        },
        "model_info": {"supports_vision": True, "colour": 1},
    }
    document = {
        "model_list": [entry("m", "openai/gpt-4"), broken],
        "router_settings": {
            "fallbacks": [{"m": ["azure-gpt"]}, {"azure-gpt": ["m"]}],
            "model_group_retry_policy": {"azure-gpt": {"TimeoutErrorRetries": 1}},
        },
    }
    checked = check(document, {})
    assert (checked.errors, checked.warnings) == ((), ())
    assert len(checked.skipped_lines) == 1


def test_the_skipped_are_values_with_path_name_and_reason() -> None:
    broken = {"model_name": "m", "litellm_params": {"model": "openai/x", "api_key": "os.environ/GONE"}}
    (found,) = check({"model_list": [broken]}, {}).registry.skipped
    assert (found.path, found.model_name, found.variable) == ("model_list[0]", "m", "GONE")
    assert not found.local
    assert found.reason.startswith("model_list[0].litellm_params.api_key: the environment has no value for ")


def test_deployments_that_lack_variables_share_a_line() -> None:
    def lacking(name: str, variable: str) -> dict[str, Any]:
        return entry(name, "openai/x", api_key=f"os.environ/{variable}")

    models = [lacking(f"m{number}", f"KEY_{number % 3}") for number in range(60)]
    checked = check({"model_list": [*models, entry("lost", "nowhere/x")]}, {})
    other, line = checked.skipped_lines
    assert other.startswith("model_list[60].litellm_params.model: ")
    assert line.startswith("60 deployments are skipped: the environment has no value for KEY_0 (m0, m3, m6, ")
    assert "and 15 more: model_list[0], " in line
    assert all(f"KEY_{number} (" in line for number in range(3))
    assert checked.warnings == ()


def test_all_variables_that_a_deployment_lacks_are_told_at_once() -> None:
    azure = {"api_base": "os.environ/BASE", "api_key": "os.environ/KEY", "tenant_id": "os.environ/TENANT"}
    bedrock = {"aws_access_key_id": "os.environ/ID", "aws_secret_access_key": "os.environ/SECRET"}
    first = entry("a", "azure/gpt", **azure)
    second = entry("b", "bedrock/anthropic.claude-x", aws_region_name="eu-west-1", **bedrock)
    (line,) = check({"model_list": [first]}, {}).skipped_lines
    assert line.endswith(
        " has no value for TENANT; the environment lacks BASE, KEY too (this deployment is skipped)"
    )
    assert "SECRET" in check({"model_list": [second]}, {}).skipped_lines[0]
    (line,) = check({"model_list": [first, second]}, {}).skipped_lines
    assert all(f"{name} (" in line for name in ("BASE", "KEY", "TENANT", "ID", "SECRET"))


def test_a_sections_error_keeps_the_server_from_starting() -> None:
    checked = check(
        {
            "model_list": [entry("m", "openai/a"), entry("n", "openai/b")],
            "litellm_settings": {"cost_discount_config": {"openai": 7}},
        },
        {},
    )
    assert len(checked.errors) == 1
    assert checked.errors[0].startswith("litellm_settings.cost_discount_config")
    assert checked.skipped == ()


def test_a_fallback_in_error_is_known_by_name_and_passed_over() -> None:
    broken = {"model_name": "spare", "litellm_params": {"model": "nowhere/x"}}
    checked = check(
        {
            "model_list": [entry("m", "openai/a"), broken],
            "router_settings": {"fallbacks": [{"m": ["spare"]}]},
        },
        {},
    )
    assert not any("no model is called" in line for line in checked.warnings)
    route = Route(checked.registry, checked.routing, "m", allowed=(), options=AS_CONFIGURED, roll=0.0)
    assert not route.advance(ProviderError("no", status=400))


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


@pytest.mark.parametrize("name", ["openai/*", "*", "claude-*", "openai/gpt-*", "openai/**", "no*such"])
def test_a_star_is_no_model(name: str) -> None:
    """Sent on, it would be a model of the name `*` at the provider."""
    for models in (registry(*WILD), registry(entry("*", "*"), entry("broken/*", "openai/*", api_base=""))):
        for allowed in ((), (AllowedModels("key", ("*", name)),)):
            with pytest.raises(ModelNotFound):
                models.target(name, allowed=allowed, roll=0.0)


def owned(name: str, team: str, model: str = "openai/gpt-4", **params: Any) -> dict[str, Any]:
    return {**entry(name, model, **params), "model_info": {"team_id": team, "id": f"{team}-{name}"}}


def test_everything_has_the_deployments_of_teams_too() -> None:
    """Checks of health and trials of stored models go by it."""
    models = registry(entry("gpt", "openai/gpt-4"), owned("gpt", "red"), owned("ours", "blue"))
    found = [target.model_id for target in models.everything()]
    assert found[1:] == ["red-gpt", "blue-ours"]
    assert len(found) == 3


def test_a_deployment_that_the_config_calls_local_keeps_its_calls_at_home() -> None:
    """As a local provider's does: also where it can't be called, or falls back by the list for any model."""
    house = entry("m", "openai/x", api_base="http://10.0.0.7/v1", residency="local")
    away = entry("m", "openai/y", api_base="https://away.test/v1")
    broken = entry("m", "openai/x", api_base="http://gpu-1.lan/v1", residency="local", timeout="soon")
    kept = check({"model_list": [broken, house, away]}, {})
    assert [target.model for target in kept.registry.targets("m", allowed=())] == ["x"]
    alone = check({"model_list": [broken, away]}, {})
    with pytest.raises(ModelInError):
        alone.registry.targets("m", allowed=())
    checked = check(
        {
            "model_list": [house, entry("cloud", "openai/z", api_base="https://away.test/v1")],
            "router_settings": {"default_fallbacks": ["cloud"], "num_retries": 0},
        },
        {},
    )
    route = Route(checked.registry, checked.routing, "m", allowed=(), options=AS_CONFIGURED, roll=0.0)
    assert not route.advance(ProviderError("no", status=500))


def test_two_deployments_with_one_id_get_two_budgets_and_no_id_of_a_third() -> None:
    """Two that differ in their keys alone have the same id of their own making."""
    limited = {"max_budget": 5, "budget_duration": "1d", "max_parallel_requests": 2}
    first, second = entry("m", "openai/x", **limited), entry("m", "openai/x", **limited)
    second["litellm_params"]["api_key"] = "sk-another"
    (alone,) = registry(first).targets("m", allowed=())
    third = {**entry("n", "openai/y"), "model_info": {"id": f"{alone.model_id}-2"}}
    models = registry(first, second, third)
    targets = models.everything()
    assert [each.model_id for each in targets] == [
        alone.model_id,
        f"{alone.model_id}-3",
        f"{alone.model_id}-2",
    ]
    accounts = [rule.account for each in targets[:2] for rule in rules_of(each)]
    assert len(set(accounts)) == 4, accounts


def test_the_names_that_callers_make_up_are_remembered_within_bounds_for_all_teams_together() -> None:
    teams = [f"t{number}" for number in range(50)]
    models = registry(entry("openai/*", "openai/*"), *(owned("ours", team) for team in teams))
    for team in teams:
        for number in range(40):
            assert models.of_team(team).find(f"openai/{number}", allowed=())
    assert sum(len(models.of_team(team)._expanded) for team in teams) <= 1_000


def test_a_name_with_a_control_character_is_no_models() -> None:
    """A caller sends it under a wildcard, and it would part the keys of rows."""
    models = registry(entry("openai/*", "openai/*"))
    for name in ("openai/a\0b", "openai/a\nb"):
        with pytest.raises(ModelNotFound):
            models.target(name, allowed=(), roll=0.0)


def test_the_deployments_of_a_model_have_one_mark_that_a_change_of_any_of_them_changes() -> None:
    def mark(*models: str) -> str:
        params = [{"model": each, "api_base": "http://127.0.0.1:9/v1", "api_key": "x"} for each in models]
        found = check({"model_list": [{"model_name": "m", "litellm_params": each} for each in params]}, {})
        (group,) = {target.group for target in found.registry.everything()}
        return group

    one = mark("openai/a", "hosted_vllm/a")
    assert one == mark("hosted_vllm/a", "openai/a")
    assert len({one, mark("openai/a"), mark("hosted_vllm/a"), mark("openai/b", "hosted_vllm/a")}) == 4
