"""An entry of `model_list` as it was read: its deployment, or why it can't be called."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from models_registry.config import known_keys
from models_registry.config.hosts import is_near
from models_registry.config.providers import UnknownProvider, split
from models_registry.config.sections import ModelEntry
from models_registry.numbers import BadDeployment
from models_registry.prices.fields import (
    PriceField,
    is_price_field,
)

MONEY_AND_LIMITS = frozenset(
    {"max_call_cost", "max_budget", "budget_duration", "rpm", "tpm", "max_parallel_requests"}
)
"""Keys of an entry of `model_list` that, beside prices, keep the server from starting when they are wrong."""


class NoCredential(BadDeployment):
    """An entry names a credential that there is not."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list` and where it stands in the file."""

    path: str
    entry: ModelEntry
    params: dict[str, msgspec.Raw]
    """Keys of `litellm_params` that are not LiteLLM's own. They are sent to the provider."""
    prices: Mapping[str, PriceField] = {}
    """Price fields by name. A field of `litellm_params` counts before one of `model_info`."""
    empty: Mapping[str, str] = {}
    """Addresses and keys that the config has, but without a value. Each name (`api_base`) has the variable
    that was to give the value, such as `GPU_HOST`, or an empty text where no variable is named."""
    info: Mapping[str, Any] = {}  # any YAML
    """`model_info` as the config has it."""
    entered: bool = False
    """Whether its address was entered through the API: in a stored model, or in a stored credential."""
    stored: bool = False
    """Whether it is a stored model. Nothing that is wrong with one keeps the server from starting."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list` that can't be called, and why. The reason has the entry's path, and no
    secret."""

    path: str
    """Where the entry stands, such as `model_list[2]`."""
    model_name: str
    """Empty where the entry has no name."""
    reason: str
    variable: str = ""
    """The variable that the environment lacks, such as `OPENAI_API_KEY`, where that is the reason."""
    also: tuple[str, ...] = ()
    """The other variables of the entry that the environment lacks then."""
    local: bool = False
    """Whether calls of it would have stayed on the user's own machines."""
    follows: str = ""
    """The path of another entry, where this one is skipped because that one is."""
    blocked: bool = False
    """Whether an administrator blocked it: then nothing is wrong with it."""
    model_id: str = ""
    """The id of a stored model. Empty for one of the file."""
    team_id: str = ""
    """The team that owns the entry. Empty: it is everybody's."""


class Unset(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that the environment lacks, and the place that asks for it."""

    path: str
    variable: str


Credentials = Mapping[str, Mapping[str, Any]]  # values as `litellm_params` has them


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the file that names a credential which the file does not have. One may be stored."""

    path: str
    item: Mapping[str, Any]  # any YAML
    """The entry as it is written."""
    credential: str


class EntryRead(msgspec.Struct, frozen=True, kw_only=True):
    """A stored model, checked: its deployment, or why it can't be called."""

    found: Deployment | Skipped
    warnings: tuple[str, ...]


def renamed(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters with each under the name by which it is known here."""
    for name in known_keys.ALIASES.keys() & params.keys():
        value = params.pop(name)
        params.setdefault(known_keys.ALIASES[name], value)
    return params


def with_credential(values: Any, credentials: Credentials, path: str) -> None:
    """Put the values of the credential that an entry names beside the entry's own, which count first. A
    credential with an address is for that address alone, and one with a key for no address of an entry, so
    that nobody sends a key elsewhere. Raises BadDeployment."""
    params = values.get("litellm_params") if isinstance(values, Mapping) else None
    if isinstance(params, dict):
        renamed(params)
    name = params.get("litellm_credential_name") if isinstance(params, Mapping) else None
    if name is None or not isinstance(params, dict):
        return
    where = f"{path}.litellm_params.litellm_credential_name"
    known = credentials.get(name) if isinstance(name, str) else None
    shared = None if known is None else renamed(dict(known))
    if shared is None:
        raise NoCredential(where, "there is no credential of this name")
    is_bound = bool(known_keys.KEYS & shared.keys()) or any(map(shared.get, known_keys.ADDRESSES))
    for address in known_keys.ADDRESSES:
        own = params.get(address)
        if own is not None and own != shared.get(address) and is_bound:
            raise BadDeployment(
                f"{path}.litellm_params.{address}",
                "differs from the credential's, which is for its own address alone; put the address into the "
                "credential",
            )
    for key, value in shared.items():
        if key in known_keys.SHARED:
            params.setdefault(key, value)
        elif key not in known_keys.CREDENTIAL_NOTES:
            raise BadDeployment(where, f"the credential has `{str(key)[:60]}`, which no credential can have")


def keeps_from_starting(entry: str, path: str) -> bool:
    """Whether an error in an entry of `model_list` keeps the server from starting: one of money, of a limit,
    or of no entry at all. Any other makes the entry one that is skipped."""
    if not path.startswith((f"{entry}.", f"{entry}:")) and path != entry:
        return True
    fields = re.split(r"[.\[]", path.removeprefix(entry))
    return any(name in MONEY_AND_LIMITS or is_price_field(name) for name in fields)


def skipped_of(values: Any, path: str, error: BadDeployment) -> Skipped:
    """The skipped entry of an error in it. `values` is the entry as far as it could be read."""
    entry = values if isinstance(values, Mapping) else {}
    params = entry.get("litellm_params")
    return Skipped(
        path=path,
        model_name=public_name_of(entry),
        reason=str(error),
        variable=error.variable,
        local=isinstance(params, Mapping) and would_be_local(params, entry.get("model_info")),
        team_id=_team_of(entry),
    )


def public_name_of(entry: Mapping[str, Any]) -> str:
    """The name by which an entry is called, as far as it can be read. Empty: it has none."""
    info, name = entry.get("model_info"), entry.get("model_name")
    if isinstance(info, Mapping) and info.get("team_id"):
        name = info.get("team_public_model_name") or name
    return name if isinstance(name, str) else ""


def _team_of(entry: Mapping[str, Any]) -> str:
    info = entry.get("model_info")
    team = info.get("team_id") if isinstance(info, Mapping) else None
    return team if isinstance(team, str) else ""


def would_be_local(params: Mapping[str, Any], info: object = None) -> bool:
    """Whether calls of an entry would stay on the user's own machines, as far as that can be told of one that
    is wrong. `info` is its `model_info`."""
    said = params.get("residency") or (info.get("residency") if isinstance(info, Mapping) else None)
    if said == "local":
        return True
    model, forced = params.get("model"), params.get("custom_llm_provider")
    addresses = [params.get(name) for name in ("api_base", "base_url")]
    if any(isinstance(address, str) and is_near(address) for address in addresses):
        return True
    try:
        return isinstance(model, str) and split(model, forced if isinstance(forced, str) else None)[0].local
    except UnknownProvider:
        return False
