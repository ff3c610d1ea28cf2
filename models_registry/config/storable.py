"""What may be stored of the values that somebody enters through the API: no file of the gateway's machine, no
secret of its own, and no address that a stored model may not have."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from models_registry.config import known_keys
from models_registry.config.reader import Config
from models_registry.config.sections import RouterSettings
from models_registry.config.stored_address import refusal_of
from models_registry.config.variables import ENV_PREFIX

Values = Mapping[str, Any]  # JSON, as `litellm_params` and `model_info` have it
OWN_SECRETS = frozenset(
    {"DATABASE_URL", "UI_PASSWORD", "LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "LITELLM_LICENSE", "PGPASSWORD"}
)
OWN_PREFIXES = ("SWITCHGEAR_", "POSTGRES_", "DATABASE_")
"""The variables of the gateway itself. No allow-list gives them to a body of the API."""
FILES = ("ssl_certificate", "aws_profile_name", "aws_web_identity_token")
"""Parameters that name a file of the gateway's machine."""
MAX_DEPTH = 20


def allowed_variables(config: Config) -> dict[str, str]:
    """The variables that a stored value may name, with their values."""
    names = config.general_settings.api_env_allowlist or ()
    return {
        name: value
        for name in names
        if not is_own_secret(name) and (value := config.environment.get(name)) is not None
    }


def is_own_secret(name: str) -> bool:
    """Whether a variable is one of the gateway's own."""
    return name.upper() in OWN_SECRETS or name.upper().startswith(OWN_PREFIXES)


def unfit_values(values: Values, allowed: Mapping[str, str]) -> Iterator[str]:
    """Why these parameters may not be stored, one text each, with the parameter's name and no value."""
    for name, text in _texts(values, "", 0):
        variable = text.removeprefix(ENV_PREFIX)
        if variable != text and variable not in allowed:
            yield (
                f"{name}: the API may name the variables of general_settings.api_env_allowlist alone, and "
                f"{variable[:100]} is none of them, or is not set"
            )
    for name in (*known_keys.ADDRESSES, "azure_endpoint", "aws_sts_endpoint"):
        address = values.get(name)
        if isinstance(address, str) and not address.startswith(ENV_PREFIX) and address:
            refusal = refusal_of(address)
            if refusal is not None:
                yield f"{name}: {refusal}"
    for name in FILES:
        if values.get(name) is not None:
            yield f"{name}: a file can be named in the config file alone"
    if values.get("ssl_verify") is not None and not isinstance(values["ssl_verify"], bool):
        yield "ssl_verify: a file can be named in the config file alone; expected true or false"
    yield from _unfit_google(values.get("vertex_credentials"))


def variable_in(settings: Values) -> str | None:
    """The path of a setting that names a variable of the environment. Settings of the router and of the cache
    name none: they are shown as they are to everybody who may see settings. None: none does."""
    return next((name for name, text in _texts(settings, "", 0) if text.startswith(ENV_PREFIX)), None)


def _unfit_google(given: object) -> Iterator[str]:
    """Why the credentials of Google Cloud may not be stored: they name a file, or another kind of account
    whose addresses anybody could choose."""
    if given is None or (isinstance(given, str) and given.startswith(ENV_PREFIX)):
        return
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            yield "vertex_credentials: expected the JSON of an account, not the name of a file"
            return
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in ("service_account", "authorized_user"):
        yield "vertex_credentials: expected the JSON of a service_account or authorized_user"
    elif isinstance(given, Mapping):
        for name in ("token_uri", "universe_domain"):
            value = given.get(name)
            fits = {"token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com"}
            if value is not None and value != fits[name]:
                yield f"vertex_credentials.{name}: expected {fits[name]}"


def _texts(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each text in a value, with the path of its parameter; the names in mappings too."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield f"{name or 'a name'}", str(key)
            yield from _texts(inside, f"{name}.{key}"[:200].removeprefix("."), depth + 1)
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside, name, depth + 1)


def unknown_settings(settings: Values) -> list[str]:
    """The names of settings that no router settings have, or that have no effect in this version."""
    known = set(RouterSettings.__struct_encode_fields__)
    return [name for name in settings if name not in known]
