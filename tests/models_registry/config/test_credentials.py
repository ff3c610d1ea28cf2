"""What signs a deployment's calls, and where they go: Amazon, Azure and Google Cloud."""

from datetime import UTC, datetime
from typing import Any

import pytest

from models_registry.config.wildcards import expand
from models_registry.dialects import Dialect
from models_registry.signing import AwsSigning, EntraSigning, GoogleSigning
from models_registry.target import Target
from runtime.blueprint import check
from tests.models_registry.config.test_deployments import compiled

SECRETS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_REGION": "eu-west-1"}
ENTRA = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "env-secret"}
NOVA = "bedrock/eu.amazon.nova-pro-v1:0"
AZURE = "https://acme.openai.azure.com"
VERTEX = (
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme/locations/europe-west4/publishers/google"
)


def checked(env: dict[str, str], model: str, **params: Any) -> tuple[Target | None, str]:
    """The target of one deployment, and what was said of it."""
    document = {"model_list": [{"model_name": "m", "litellm_params": {"model": model, **params}}]}
    found = check(document, env)
    said = "\n".join((*found.skipped_lines, *found.warnings))
    return (None if found.skipped else found.registry.target("m", allowed=(), roll=0.0)), said


def target(env: dict[str, str], model: str, **params: Any) -> Target:
    found, said = checked(env, model, **params)
    assert found is not None, said
    return found


def test_amazons_keys_come_from_the_config_then_from_the_environment() -> None:
    own = target(SECRETS, NOVA, aws_access_key_id="A", aws_secret_access_key="b", aws_region_name="us-east-1")
    assert isinstance(own.signing, AwsSigning)
    assert own.api_key is None
    assert own.signing.access_key_id is not None
    assert (own.signing.access_key_id.reveal(), own.signing.region) == ("A", "us-east-1")
    assert own.signing.session_token is None
    assert own.api_base == "https://bedrock-runtime.us-east-1.amazonaws.com"
    env = target({**SECRETS, "AWS_SESSION_TOKEN": "session"}, NOVA)
    assert isinstance(env.signing, AwsSigning)
    assert env.signing.secret_access_key is not None
    assert env.signing.secret_access_key.reveal() == "env-secret"
    assert env.signing.session_token is not None
    machine = target({}, NOVA, aws_region_name="us-east-1", aws_role_name="arn:aws:iam::1:role/x")
    assert isinstance(machine.signing, AwsSigning)
    assert machine.signing.access_key_id is None
    assert machine.signing.role_arn == "arn:aws:iam::1:role/x"


def test_a_bearer_key_of_bedrocks_needs_no_signature() -> None:
    found = target({"AWS_BEARER_TOKEN_BEDROCK": "ABSK", **SECRETS}, NOVA)
    assert found.signing is None
    assert found.api_key is not None
    assert found.api_key.reveal() == "ABSK"


@pytest.mark.parametrize(
    ("model", "region"),
    [
        ("bedrock/us-west-2/anthropic.claude-v2", "us-west-2"),
        ("bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu-west-1"),
        ("bedrock/arn:aws:bedrock:ap-south-1:1:inference-profile/x", "ap-south-1"),
    ],
)
def test_a_models_name_may_have_its_region(model: str, region: str) -> None:
    assert target(SECRETS, model).api_base == f"https://bedrock-runtime.{region}.amazonaws.com"


@pytest.mark.parametrize(
    ("env", "params", "said"),
    [
        ({}, {}, "there is no region"),
        ({}, {"aws_region_name": "us-east-1", "aws_access_key_id": "A"}, "aws_secret_access_key: is missing"),
        ({}, {"aws_region_name": "us-east-1", "aws_secret_access_key": "A"}, "aws_access_key_id: is missing"),
    ],
)
def test_what_amazon_lacks_is_named(env: dict[str, str], params: dict[str, str], said: str) -> None:
    found, told = checked(env, NOVA, **params)
    assert found is None
    assert said in told or "no value for AWS_REGION" in told or "provider bedrock needs an address" in told


def test_azure_asks_entra_where_it_has_no_key() -> None:
    config = target({}, "azure/gpt", api_base=AZURE, tenant_id="t", client_id="c", client_secret="s")
    assert isinstance(config.signing, EntraSigning)
    assert config.api_key is None
    env = target(ENTRA, "azure/gpt", api_base=AZURE)
    assert isinstance(env.signing, EntraSigning)
    assert target({"IDENTITY_ENDPOINT": "http://x"}, "azure/gpt", api_base=AZURE).signing == EntraSigning()
    keyed = target({**ENTRA, "AZURE_API_KEY": "k"}, "azure/gpt", api_base=AZURE)
    assert keyed.signing is None
    token = target({}, "azure/gpt", api_base=AZURE, azure_ad_token="ey")
    assert token.signing is None
    assert token.headers["authorization"] == "Bearer ey"


def test_the_environments_token_goes_to_azures_own_hosts_alone() -> None:
    found, said = checked(ENTRA, "azure/gpt", api_base="https://elsewhere.example.com")
    assert found is None
    assert "api_key" in said


def test_vertex_has_its_project_and_location_in_the_address() -> None:
    found = target({}, "vertex_ai/gemini-2.5-pro", vertex_project="acme", vertex_location="europe-west4")
    assert found.api_base == VERTEX
    assert isinstance(found.signing, GoogleSigning)
    account = {"type": "service_account", "project_id": "acme"}
    held = target({"VERTEXAI_LOCATION": "global"}, "vertex_ai/gemini-2.5-pro", vertex_credentials=account)
    assert held.api_base.startswith("https://aiplatform.googleapis.com/v1/projects/acme/locations/global/")
    assert isinstance(held.signing, GoogleSigning)
    assert held.signing.credentials is not None
    assert "service_account" in held.signing.credentials.reveal()
    express = target({}, "vertex_ai/gemini-2.5-pro", api_key="AIza")
    assert (express.api_base, express.signing) == (
        "https://aiplatform.googleapis.com/v1/publishers/google",
        None,
    )


def test_claude_on_vertex_speaks_anthropics_dialect_at_its_own_publisher() -> None:
    where = {"vertex_project": "acme", "vertex_location": "global"}
    found = target({}, "vertex_ai/claude-sonnet-4-5@20250929", **where)
    assert found.api_base.endswith("/v1/projects/acme/locations/global/publishers/anthropic")
    assert (found.dialect, found.body_version) == (Dialect.ANTHROPIC, "vertex-2023-10-16")
    assert isinstance(found.signing, GoogleSigning)
    assert found.price is not None
    assert found.max_output_tokens == 64_000


@pytest.mark.parametrize(
    ("wildcard", "asked", "there"),
    [
        ("vertex_ai/claude-*", "claude-haiku-4-5", True),
        ("vertex_ai/gemini-*", "gemini-2.5-pro", True),
        ("vertex_ai/*", "gemini-2.5-pro", True),
        ("vertex_ai/*", "claude-haiku-4-5", False),
    ],
)
def test_a_wildcard_on_vertex_is_for_one_dialect(wildcard: str, asked: str, there: bool) -> None:
    found = compiled(model=wildcard, vertex_project="acme")
    matched = asked.removeprefix(found.model.removesuffix("*"))
    assert (expand(found, matched, datetime.now(UTC)) is not None) is there


@pytest.mark.parametrize(
    ("model", "params", "said"),
    [
        ("vertex_ai/gemini-2.5-pro", {}, "vertex_project: there is no project"),
        ("vertex_ai/llama-4", {"vertex_project": "p"}, "Google's own models, Claude, and those"),
        ("vertex_ai/gemini-2.5-pro", {"vertex_project": "p/../q"}, "vertex_project"),
    ],
)
def test_what_vertex_lacks_is_named(model: str, params: dict[str, str], said: str) -> None:
    found, told = checked({}, model, **params)
    assert found is None
    assert said in told


def test_credentials_that_a_provider_has_no_use_for_are_named() -> None:
    _, said = checked({}, "openai/gpt-4", api_key="k", aws_region_name="x", vertex_project="y")
    assert "litellm_params.aws_region_name: openai has no use for it" in said
    assert "litellm_params.vertex_project: openai has no use for it" in said


@pytest.mark.parametrize(
    ("model", "name"),
    [(NOVA, "aws_access_key_id"), (NOVA, "aws_region_name"), ("vertex_ai/gemini-2.5-pro", "vertex_project")],
)
def test_a_credential_that_the_environment_lacks_is_not_taken_from_elsewhere(model: str, name: str) -> None:
    env = {**SECRETS, "VERTEXAI_PROJECT": "another"}
    found, said = checked(env, model, **{name: "os.environ/NOT_THERE"})
    assert found is None
    assert "NOT_THERE" in said


@pytest.mark.parametrize("region", ["x.evil.example/", "evil.example#", "a b", "evil.example:443/x?"])
def test_a_region_names_no_other_host(region: str) -> None:
    """The region is a part of the address, and so the key would go wherever it leads."""
    params = {"model": "bedrock/anthropic.claude-3-haiku", "api_key": "k" * 20, "aws_region_name": region}
    checked = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {})
    (reason,) = checked.skipped
    assert reason.endswith("aws_region_name: expected a name of letters, digits and -")
