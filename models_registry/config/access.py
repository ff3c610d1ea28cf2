"""Where a deployment's calls go, and with which key: from its entry, else from the environment."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from models_registry.config.azure import AddressForm, azure_form, claudes_form
from models_registry.config.credentials import REGION, region_of
from models_registry.config.entries import Deployment
from models_registry.config.hosts import filled, is_near, is_provider, takes_environment_key
from models_registry.config.provider import Provider, Signs
from models_registry.config.providers import split
from models_registry.config.sections import LitellmParams
from models_registry.config.vertex import given_base, speaks, vertex_base
from models_registry.numbers import BadDeployment
from models_registry.target import Target
from schema.secret import Secret

CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "ocp-apim-subscription-key",
        "cf-aig-authorization",
    }
)
"""Names of `extra_headers` that carry a key."""


def without_key(target: Target, provider: Provider, env: Mapping[str, str]) -> str | None:
    """The warning for a deployment that is called without a key though somebody may have meant it to have
    one. None: no warning."""
    if target.api_key is not None or target.signing is not None:
        return None
    if CREDENTIAL_HEADERS & target.headers.keys():
        return None
    kept = next((name for name in provider.api_key_env if env.get(name)), None)
    if kept is not None:
        return (
            f"it is called without a key: {kept} goes to the provider's own hosts alone. To send it there, "
            f"add `api_key: os.environ/{kept}`; `api_key: none` says that none is needed"
        )
    return (
        "it is called without a key; `api_key: none` says that none is needed" if provider.needs_key else None
    )


def is_usable(provider: Provider, params: LitellmParams, env: Mapping[str, str]) -> bool:
    address = params.api_base or params.base_url or default_base(provider, env)
    if provider.signs is Signs.AWS and region_of(params, "", env) is None:
        return False
    if not address:
        return False
    known = first_of(env, provider.api_key_env) if takes_environment_key(provider, address, env) else None
    return bool(not provider.needs_key or params.api_key or known)


def first_of(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def default_base(provider: Provider, env: Mapping[str, str]) -> str | None:
    return first_of(env, provider.api_base_env) or filled(provider.api_base, env)


def address_of(provider: Provider, deployment: Deployment, env: Mapping[str, str]) -> AddressForm:
    """The address of a deployment, and what stands before and behind the path of an operation. Raises
    BadDeployment."""
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params.api_base"
    if provider.signs is Signs.AWS:
        region = region_of(params, split(params.model, params.custom_llm_provider)[1], env)
        if region is not None and not REGION.fullmatch(region):
            raise BadDeployment(
                f"{deployment.path}.litellm_params.aws_region_name",
                "expected a name of letters, digits and -",
            )
        env = {**env, "AWS_REGION": region} if region else env
        deployment = with_base(deployment, params.aws_bedrock_runtime_endpoint)
    if provider.signs is Signs.GOOGLE and not (params.api_base or params.base_url):
        model = split(params.model, params.custom_llm_provider)[1]
        base = vertex_base(params, model, env, f"{deployment.path}.litellm_params")
        deployment = with_base(deployment, base)
    elif provider.signs is Signs.GOOGLE:
        model = split(params.model, params.custom_llm_provider)[1]
        deployment = with_base(deployment, given_base(params.api_base or params.base_url or "", model))
    if not provider.azure_paths:
        return AddressForm(api_base_of(provider, deployment, env), "", "")
    written = params.api_base or params.base_url
    if not written:
        written = api_base_of(provider, deployment, env)
    if speaks(provider, split(params.model, params.custom_llm_provider)[1])[0] is not provider.dialect:
        form = claudes_form(written, provider.claude_path, path)
    else:
        form = azure_form(written, params.api_version, env, path)
    return form._replace(address=api_base_of(provider, with_base(deployment, form.address), env))


def with_base(deployment: Deployment, address: str | None) -> Deployment:
    """The deployment with this address. None: with its own."""
    if not address:
        return deployment
    params = msgspec.structs.replace(deployment.entry.litellm_params, api_base=address, base_url=None)
    entry = msgspec.structs.replace(deployment.entry, litellm_params=params)
    return msgspec.structs.replace(deployment, entry=entry)


def api_base_of(provider: Provider, deployment: Deployment, env: Mapping[str, str]) -> str:
    """The address of a deployment, checked. No message shows the address, since people put passwords there.
    An address that the config has, but empty, is an error: the default would send to a vendor what was meant
    for another host. Raises BadDeployment."""
    params, empty = deployment.entry.litellm_params, deployment.empty
    blank = next((name for name in ("api_base", "base_url") if name in empty), None)
    written = {"api_base": params.api_base, "base_url": params.base_url}
    given = next(
        (name for name, value in written.items() if value and name not in empty), blank or "api_base"
    )
    path = f"{deployment.path}.litellm_params.{given}"
    if given == blank:
        raise BadDeployment(
            path,
            f"{_no_value(empty[given])}. Give it an address, or leave the line out for the provider's own",
            variable=empty[given],
        )
    address = written[given] or default_base(provider, env)
    if address is None:
        raise BadDeployment(path, _no_address(provider))
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise BadDeployment(path, "expected http://host:port/path, found a bad host or port") from exc
    if parts.scheme not in ("http", "https") or not whole:
        raise BadDeployment(path, "expected http:// or https:// and a host")
    if "@" in parts.netloc:
        raise BadDeployment(path, "holds a user or password; send them with api_key or extra_headers")
    if "?" in address or "#" in address:
        raise BadDeployment(path, "holds a query or fragment, which an address of an API can't have")
    if not address.isprintable() or " " in address:
        raise BadDeployment(path, "holds a blank or control character")
    return address.rstrip("/")


def _no_address(provider: Provider) -> str:
    """What is missing where a provider has no address."""
    if provider.api_base is not None:
        return f"provider {provider.prefix} needs an address, or what is missing in {provider.api_base}"
    usual = f", usually {provider.usual_base}" if provider.usual_base else ""
    return f"provider {provider.prefix} needs an address{usual}"


def has_key(
    provider: Provider,
    deployment: Deployment,
    env: Mapping[str, str],
    *,
    address: str,
    headers: Mapping[str, str],
) -> bool:
    """Whether a key is there, or was meant to be."""
    if "api_key" in deployment.empty or deployment.entry.litellm_params.api_key:
        return True
    known = first_of(env, provider.api_key_env) if takes_environment_key(provider, address, env) else None
    return bool(known or CREDENTIAL_HEADERS & headers.keys())


def api_key_of(
    provider: Provider,
    deployment: Deployment,
    env: Mapping[str, str],
    *,
    address: str,
    headers: Mapping[str, str],
) -> Secret | None:
    """The key of a deployment. The deployment's own key goes wherever its address leads. The environment's
    key goes only where `takes_environment_key` says. A server on this network is called without a key if
    there is none, since many ask for none. Raises BadDeployment."""
    path = f"{deployment.path}.litellm_params"
    key = None if "api_key" in deployment.empty else deployment.entry.litellm_params.api_key
    if key is None and takes_environment_key(provider, address, env):
        key = first_of(env, provider.api_key_env)
    if not key:
        promised = bool(deployment.empty.get("api_key"))
        needed = provider.needs_key and not CREDENTIAL_HEADERS & headers.keys()
        if needed and (promised or not is_near(address)):
            variable = deployment.empty.get("api_key") or ""
            if not variable and is_provider(provider, address, env):
                variable = provider.api_key_env[0]
            reason = _no_key(provider, deployment, address, env)
            raise BadDeployment(f"{path}.api_key", reason, variable=variable)
        return None
    if not (key.isascii() and key.isprintable()):
        raise BadDeployment(f"{path}.api_key", "holds a line break or another character no header can carry")
    return Secret(key)


def _no_key(provider: Provider, deployment: Deployment, address: str, env: Mapping[str, str]) -> str:
    """The message for a missing key: what is missing, and the line to add."""
    variable = deployment.empty.get("api_key")
    why = "there is none" if variable is None else _no_value(variable)
    names = " or ".join(provider.api_key_env)
    if is_provider(provider, address, env):
        return f"{why}, and the environment has no {names}. Set it, or add `api_key: os.environ/NAME`"
    kept = (
        f", and {names} goes to {provider.prefix}'s own hosts alone"
        if first_of(env, provider.api_key_env)
        else ""
    )
    return (
        f"{why}{kept}. Add `api_key: os.environ/NAME` with the variable that holds this server's key, or "
        "`api_key: none` if it asks for none"
    )


def _no_value(variable: str) -> str:
    """Why a setting of the config has no value."""
    return f"the environment has no value for {variable}" if variable else "it has no value"
