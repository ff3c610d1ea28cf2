"""What signs the calls of a deployment, from `litellm_params` and the environment: keys of Amazon's, a client
of Microsoft Entra's, an account of Google's."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.bedrock.models import model_and_region
from models_registry.config.entries import Deployment
from models_registry.config.provider import Provider, Signs
from models_registry.config.sections import LitellmParams
from models_registry.numbers import BadDeployment
from models_registry.signing import (
    AZURE_SCOPE,
    ENTRA_AUTHORITY,
    AwsSigning,
    EntraSigning,
    GoogleSigning,
    Signing,
)
from schema.secret import Secret

REGIONS = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
OIDC = "oidc/"
REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
"""A region is a part of its host's name. Nothing else may stand there: it could name another host."""
FIELDS: Mapping[Signs, tuple[str, ...]] = MappingProxyType(
    {
        Signs.AWS: (
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "aws_region_name",
            "aws_role_name",
            "aws_session_name",
            "aws_external_id",
            "aws_profile_name",
            "aws_web_identity_token",
            "aws_bedrock_runtime_endpoint",
        ),
        Signs.ENTRA: ("tenant_id", "client_id", "client_secret", "azure_ad_token", "azure_scope"),
        Signs.GOOGLE: ("vertex_project", "vertex_location", "vertex_credentials"),
    }
)
"""The fields of `litellm_params` for each kind of credential."""


OPTIONAL = frozenset(
    {"aws_session_token", "aws_session_name", "aws_external_id", "azure_scope", "vertex_location"}
)
"""Fields that may be left without a value."""


def check_given(provider: Provider, deployment: Deployment) -> None:
    """Refuse a credential that the config names and the environment lacks: another one would be used in its
    place. Raises BadDeployment."""
    for name in FIELDS.get(provider.signs, ()):
        if name in deployment.empty and name not in OPTIONAL:
            variable = deployment.empty[name]
            said = f"the environment has no value for {variable}" if variable else "it has no value"
            raise BadDeployment(f"{deployment.path}.litellm_params.{name}", said, variable=variable)


def check_identity(provider: Provider, deployment: Deployment) -> None:
    """Refuse a deployment whose calls the machine's own identity would sign (an instance's role, Google's
    default credentials), though somebody entered its address through the API: who may store an address must
    not have the machine speak to it in its own name. Azure's needs a setting of the environment, none of
    which counts at such an address. Raises BadDeployment."""
    params, own = deployment.entry.litellm_params, "vertex_credentials"
    if provider.signs is Signs.AWS:
        own = "aws_access_key_id"
    elif provider.signs is not Signs.GOOGLE:
        return
    if not getattr(params, own):
        raise BadDeployment(
            f"{deployment.path}.litellm_params.{own}",
            "there is none, and the machine's own identity signs for no address that was entered through the "
            "API; add it, or put the address into the config file",
        )


def region_of(params: LitellmParams, model: str, env: Mapping[str, str]) -> str | None:
    """Amazon's region of a deployment: the config's, that of the model's name, the environment's."""
    named = model_and_region(model)[1]
    return params.aws_region_name or named or next((env[name] for name in REGIONS if env.get(name)), None)


def signing_of(
    provider: Provider, deployment: Deployment, model: str, env: Mapping[str, str]
) -> Signing | None:
    """How the calls of a deployment without a key are signed. None: in no such way. Raises BadDeployment."""
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params"
    match provider.signs:
        case Signs.AWS:
            return _aws(params, model, env, path)
        case Signs.ENTRA:
            return _entra(params, env)
        case Signs.GOOGLE:
            return _google(params, env)
        case Signs.NOT:
            return None


def idle_fields(provider: Provider, deployment: Deployment) -> list[str]:
    """Warnings of credentials that the provider has no use for."""
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params"
    return [
        f"{path}.{name}: {provider.prefix} has no use for it"
        for signs, names in FIELDS.items()
        if signs is not provider.signs
        for name in names
        if getattr(params, name) is not None
    ]


def _aws(params: LitellmParams, model: str, env: Mapping[str, str], path: str) -> AwsSigning:
    region = region_of(params, model, env)
    if region is None:
        raise BadDeployment(
            f"{path}.aws_region_name", "there is no region, such as eu-central-1", variable=REGIONS[1]
        )
    access = params.aws_access_key_id
    secret = params.aws_secret_access_key
    token = params.aws_session_token
    named = params.aws_profile_name or params.aws_web_identity_token
    if access is None and secret is None and not named and env.get("AWS_ACCESS_KEY_ID"):
        access, secret = env["AWS_ACCESS_KEY_ID"], env.get("AWS_SECRET_ACCESS_KEY")
        token = env.get("AWS_SESSION_TOKEN")
    if bool(access) != bool(secret):
        missing = "aws_secret_access_key" if access else "aws_access_key_id"
        raise BadDeployment(f"{path}.{missing}", "is missing beside the other one", variable=missing.upper())
    return AwsSigning(
        region=region,
        access_key_id=_secret(access),
        secret_access_key=_secret(secret),
        session_token=_secret(token) if access else None,
        role_arn=params.aws_role_name,
        role_session=params.aws_session_name or "switchgear",
        external_id=params.aws_external_id,
        profile=params.aws_profile_name,
        web_identity=_web_identity(params, env, path),
    )


def _web_identity(params: LitellmParams, env: Mapping[str, str], path: str) -> Secret | None:
    """The token, or the path of its file: LiteLLM's `oidc/env/NAME` and `oidc/file/PATH` say where it is."""
    given = params.aws_web_identity_token
    if given is None:
        return None
    where = f"{path}.aws_web_identity_token"
    if not params.aws_role_name:
        raise BadDeployment(f"{path}.aws_role_name", "is missing beside aws_web_identity_token")
    kind, _, rest = given.removeprefix(OIDC).partition("/")
    if given.startswith(OIDC) and kind == "file":
        given = f"/{rest.lstrip('/')}"
    elif given.startswith(OIDC) and kind == "env":
        given = env.get(rest, "")
        if not given:
            raise BadDeployment(where, f"the environment has no value for {rest}", variable=rest)
    elif given.startswith(OIDC):
        raise BadDeployment(where, "of LiteLLM's oidc/ this version has oidc/file/ and oidc/env/")
    return Secret(given)


def _entra(params: LitellmParams, env: Mapping[str, str]) -> EntraSigning | None:
    """The client that asks for a token: the config's, else the environment's. None: there is none, and nobody
    says that the machine has an identity."""
    tenant = params.tenant_id or env.get("AZURE_TENANT_ID")
    client = params.client_id or env.get("AZURE_CLIENT_ID")
    secret = params.client_secret or env.get("AZURE_CLIENT_SECRET")
    managed = env.get("IDENTITY_ENDPOINT") or env.get("AZURE_USE_MANAGED_IDENTITY")
    if not (tenant and client and secret) and not managed:
        return None
    return EntraSigning(
        tenant_id=tenant,
        client_id=client,
        client_secret=_secret(secret) if tenant else None,
        scope=params.azure_scope or AZURE_SCOPE,
        authority=(env.get("AZURE_AUTHORITY_HOST") or ENTRA_AUTHORITY).rstrip("/"),
    )


def _google(params: LitellmParams, env: Mapping[str, str]) -> GoogleSigning:
    given = params.vertex_credentials or env.get("VERTEXAI_CREDENTIALS")
    if isinstance(given, dict):
        given = msgspec.json.encode(given).decode()
    return GoogleSigning(credentials=_secret(given))


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None
