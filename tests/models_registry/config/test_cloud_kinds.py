"""Kinds of config files with the clouds in them, in the spellings that people bring: each starts, and each of
its names goes where it is meant to go."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from models_registry.backends import BACKENDS
from models_registry.backends.bedrock.models import is_claude, known_as
from models_registry.config.stored import Stored, StoredModel
from models_registry.dialects import Dialect
from models_registry.signing import AwsSigning
from models_registry.target import Target
from runtime.blueprint import Checked, check
from schema.errors.models import ModelNotFound
from tests.models_registry.backends.making import FACTS, chat, embeddings

KINDS = yaml.safe_load(Path(__file__).with_name("cloud_kinds.yaml").read_text())
NAMED = {each["kind"]: each for each in KINDS}


def checked(kind: str) -> Checked:
    each = NAMED[kind]
    return check(each["config"], each.get("env", {}))


def target_of(kind: str, name: str) -> Target:
    return checked(kind).registry.target(name, allowed=(), roll=0.0)


def url_of(target: Target, *, embeds: bool) -> str:
    backend = BACKENDS[target.dialect]
    if embeds:
        return backend.embeddings_request(embeddings(), target, FACTS).url
    return backend.chat_request(chat(), target, FACTS).url


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each["kind"])
def test_a_kind_of_config_starts_and_routes(kind: dict[str, Any]) -> None:
    found = checked(kind["kind"])
    assert (found.errors, found.skipped) == ((), ())
    modes = {
        each["model_name"]: each.get("model_info", {}).get("mode") for each in kind["config"]["model_list"]
    }
    assert set(kind["calls"]) == {name.replace("*", "x-model") for name in modes}
    for name, url in kind["calls"].items():
        target = found.registry.target(name, allowed=(), roll=0.0)
        assert url_of(target, embeds=modes.get(name) == "embedding") == url
        assert target.api_key or target.signing or target.headers, name


def test_there_are_sixteen_kinds_and_more() -> None:
    assert len(NAMED) == len(KINDS) >= 16


def test_no_word_of_a_kind_is_warned_of() -> None:
    told = [each for kind in NAMED for each in checked(kind).warnings if "no known" not in each]
    assert told == []


def test_claude_in_azures_foundry_is_called_as_at_anthropic() -> None:
    target = target_of("azure_ai foundry", "claude")
    request = BACKENDS[target.dialect].chat_request(chat(), target, FACTS)
    assert target.dialect is Dialect.ANTHROPIC
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == ("k", "2023-06-01")
    assert "authorization" not in request.headers


def test_a_profile_of_bedrocks_is_known_by_the_model_behind_it() -> None:
    kind = "bedrock inference profiles by arn"
    for name in ("a", "b", "c"):
        target = target_of(kind, name)
        assert "arn:aws:bedrock:" in target.model
        assert is_claude(known_as(target)), name
        assert target.price is not None, name


def test_routes_of_azures_reasoning_models_take_the_newer_limit() -> None:
    for name in ("o3", "gpt5"):
        assert target_of("azure o-series and gpt-5 routes", name).limit_field == "max_completion_tokens"


BEDROCK = {"model": "bedrock/amazon.nova-lite-v1:0", "aws_region_name": "us-east-1"}
ROLE = {"aws_role_name": "arn:aws:iam::1:role/r"}
ENV = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "s", "OIDC": "the-token"}


@pytest.mark.parametrize(
    ("params", "web_identity"),
    [
        ({"aws_profile_name": "dev"}, None),
        ({"aws_web_identity_token": "oidc/env/OIDC", **ROLE}, "the-token"),
        ({"aws_web_identity_token": "oidc/file//var/run/token", **ROLE}, "/var/run/token"),
        ({"aws_web_identity_token": "/var/run/token", **ROLE}, "/var/run/token"),
    ],
)
def test_keys_that_a_deployment_names_count_before_the_environments(
    params: dict[str, str], web_identity: str | None
) -> None:
    entry = {"model_name": "m", "litellm_params": {**BEDROCK, **params}}
    signing = check({"model_list": [entry]}, ENV).registry.target("m", allowed=(), roll=0.0).signing
    assert isinstance(signing, AwsSigning)
    assert signing.access_key_id is None
    assert signing.profile == params.get("aws_profile_name")
    assert (None if signing.web_identity is None else signing.web_identity.reveal()) == web_identity


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"aws_web_identity_token": "t"}, "aws_role_name: is missing beside aws_web_identity_token"),
        ({"aws_web_identity_token": "oidc/github/x", **ROLE}, "has oidc/file/ and oidc/env/"),
        ({"aws_web_identity_token": "oidc/env/NOSUCH", **ROLE}, "the environment has no value for NOSUCH"),
        (
            {"aws_profile_name": "os.environ/NOSUCH"},
            "aws_profile_name: the environment has no value for NOSUCH",
        ),
    ],
)
def test_keys_that_can_not_be_had_are_told(params: dict[str, str], says: str) -> None:
    (reason,) = check(
        {"model_list": [{"model_name": "m", "litellm_params": {**BEDROCK, **params}}]}, ENV
    ).skipped
    assert says in reason


@pytest.mark.parametrize("name", ["aws_profile_name", "aws_web_identity_token"])
def test_the_machines_own_files_are_for_the_config_file_alone(name: str) -> None:
    model = StoredModel(model_id="1", model_name="m", litellm_params={**BEDROCK, **ROLE, name: "x"})
    (reason,) = check({}, ENV, stored=Stored(models=(model,))).skipped
    assert name in reason


def test_a_tuned_model_of_vertex_is_an_endpoint() -> None:
    params = {"model": "vertex_ai/gemini/4711", "vertex_project": "p", "vertex_location": "us-central1"}
    target = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {}).registry.target(
        "m", allowed=(), roll=0.0
    )
    host = "https://us-central1-aiplatform.googleapis.com"
    assert url_of(target, embeds=False) == (
        f"{host}/v1/projects/p/locations/us-central1/endpoints/4711:generateContent"
    )


VERTEX = {"vertex_project": "p", "vertex_location": "global"}
FOUNDRY = {"api_base": "https://r.services.ai.azure.com", "api_key": "k"}


@pytest.mark.parametrize(
    ("star", "params", "asked", "end"),
    [
        (
            "vertex_ai/*",
            VERTEX,
            "vertex_ai/gemini-2.5-pro",
            "/publishers/google/models/gemini-2.5-pro:generateContent",
        ),
        (
            "vertex_ai/*",
            VERTEX,
            "vertex_ai/claude-opus-5",
            "/publishers/anthropic/models/claude-opus-5:rawPredict",
        ),
        ("vertex_ai/*", VERTEX, "vertex_ai/meta/llama-4", "/global/endpoints/openapi/chat/completions"),
        ("azure_ai/*", FOUNDRY, "azure_ai/claude-opus-5", "azure.com/anthropic/v1/messages"),
        ("azure_ai/*", FOUNDRY, "azure_ai/grok-4", "/models/chat/completions?api-version=2024-05-01-preview"),
        (
            "azure/*",
            {"api_base": "https://r.openai.azure.com", "api_key": "k", "api_version": "2024-10-21"},
            "azure/o_series/mine",
            "/openai/deployments/mine/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_a_star_covers_the_models_of_every_dialect(
    star: str, params: dict[str, str], asked: str, end: str
) -> None:
    entry = {"model_name": star, "litellm_params": {"model": star, **params}}
    found = check({"model_list": [entry]}, {})
    assert (found.errors, found.skipped) == ((), ())
    targets = found.registry.targets(asked, allowed=())
    assert [url_of(each, embeds=False).endswith(end) for each in targets] == [True]
    assert len({each.model_id for each in found.registry.targets(asked, allowed=())}) == 1


def test_a_star_of_vertex_with_a_key_alone_has_the_models_that_take_one() -> None:
    entry = {"model_name": "vertex_ai/*", "litellm_params": {"model": "vertex_ai/*", "api_key": "k"}}
    found = check({"model_list": [entry]}, {})
    assert found.skipped == ()
    assert found.registry.targets("vertex_ai/gemini-2.5-pro", allowed=())
    with pytest.raises(ModelNotFound):
        found.registry.targets("vertex_ai/meta/llama-4", allowed=())
