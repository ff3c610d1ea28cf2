"""What a change of stored parameters means, and how they are shown: the rules of models and credentials."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from models_registry.config.known_keys import ADDRESSES, KEYS, REQUEST_PARAMS
from models_registry.config.providers import UnknownProvider, split
from models_registry.config.reader import Config
from models_registry.config.storable import Values, allowed_variables, unfit_values, variable_in
from models_registry.config.stored import Stored, StoredModel
from models_registry.prices.fields import is_price_field
from models_registry.shown import SECRET
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict
from schema.fields import MAX_NAME_CHARS
from schema.stored_models import MAX_PARAMS_BYTES

MASK = "****"
SHOWN_CHARS = 4
LONG_CHARS = 20
"""A text shorter than this is masked whole."""
PLAIN = frozenset(
    (
        *("model", "custom_llm_provider", "litellm_credential_name", "api_version", "organization"),
        *("aws_region_name", "vertex_project", "vertex_location", "drop_params", "additional_drop_params"),
        "cache_control_injection_points",
    )
) | frozenset(ADDRESSES)
"""Parameters that are shown as they are. None of them is a secret."""
MAX_VALUES = 200


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters after a change, and the names of the secrets that the change took away."""

    values: Values
    cleared: tuple[str, ...] = ()


def checked_values(given: Values, config: Config, *, param: str) -> None:
    """Raise InvalidRequest for parameters that may not be stored, by their names."""
    _check_size(given, param)
    unfit = next(unfit_values(given, allowed_variables(config)), None)
    if unfit is not None:
        raise InvalidRequest(f"{param}.{unfit}.", param=f"{param}.{unfit.partition(':')[0]}")


def checked_settings(given: Values, *, param: str) -> None:
    """The same for settings of the router and of the cache. No `os.environ/NAME` may stand in them, be it
    in `api_env_allowlist` or not."""
    _check_size(given, param)
    refuse_variables(given, param=param)


def refuse_variables(settings: Values, *, param: str) -> None:
    """Raise InvalidRequest for a setting that names a variable, by its name."""
    name = variable_in(settings)
    if name is not None:
        raise InvalidRequest(
            f"{param}.{name}: a variable can be named in the config file alone.", param=f"{param}.{name}"
        )


def _check_size(given: Values, param: str) -> None:
    if len(given) > MAX_VALUES or any(not 0 < len(name) <= MAX_NAME_CHARS for name in given):
        raise InvalidRequest(f"{param}: expected at most {MAX_VALUES} names with a value each.", param=param)
    if len(msgspec.json.encode(given)) > MAX_PARAMS_BYTES:
        raise InvalidRequest(f"{param}: at most {MAX_PARAMS_BYTES} bytes of JSON.", param=param)


def merged(before: Values, given: Values, *, param: str) -> Merged:
    """The parameters after a change. A null takes a parameter away; a masked value that is sent back as it
    was shown changes nothing. Where the change leads to another address, the secrets that it does not send
    again are taken away, so that nobody sends a key that he can't read to an address of his own. Raises
    InvalidRequest for another text that is masked."""
    after = dict(before)
    sent = set()
    for name, value in given.items():
        if value is None:
            after.pop(name, None)
        elif name in before and not is_plain(name, before[name]) and value == masked(before[name]):
            continue
        elif has_mask(value):
            raise InvalidRequest(
                f"{param}.{name}: looks like a masked value. Send the whole value, or leave it out.",
                param=f"{param}.{name}",
            )
        else:
            after[name] = value
            sent.add(name)
    if leads_to(before) == leads_to(after):
        return Merged(values=after)
    cleared = sorted(name for name in before if name in after and name not in sent and is_secret(name))
    return Merged(values={name: after[name] for name in after if name not in cleared}, cleared=tuple(cleared))


def read_again(unread: Collection[str], given: Values, *, param: str) -> None:
    """Raise Conflict where values can't be opened, and a change of the others does not send them again or
    take them away: it would leave a row of two salt keys, and nobody could tell where its keys go."""
    left = sorted(unread - given.keys())
    if left:
        raise Conflict(
            f"{param}: {', '.join(left)[:200]} can't be read, since it was sealed under another salt key or "
            "belongs to another row. Nothing is changed. Give the gateway the salt key that it was sealed "
            "with (SWITCHGEAR_SALT_KEY), or send it again with this change; null takes it away.",
            param=param,
        )


def kept_at_home(before: Stored, after: Stored) -> Stored:
    """What shall be stored, without the keys of models whose credential leads to another address now. A model
    may have a key of its own beside a credential's address, and whoever changes the credential can't read
    that key. A credential that the file's hides counts too, since the file's may go."""
    was = {each.name: leads_to(each.values) for each in before.credentials}
    now = {each.name: leads_to(each.values) for each in after.credentials}
    moved = {name for name in now.keys() | was.keys() if now.get(name) != was.get(name)}
    if not moved:
        return after
    known = {each.model_id: each for each in before.models}
    models = tuple(
        _without_secrets(each)
        if known.get(each.model_id) == each and each.litellm_params.get("litellm_credential_name") in moved
        else each
        for each in after.models
    )
    return msgspec.structs.replace(after, models=models)


def _without_secrets(model: StoredModel) -> StoredModel:
    kept = {name: value for name, value in model.litellm_params.items() if not is_secret(name)}
    unread = frozenset(name for name in model.unread if not is_secret(name))
    return msgspec.structs.replace(model, litellm_params=kept, unread=unread)


def leads_to(values: Values) -> tuple[object, ...]:
    """What decides where the calls of these parameters go: addresses, the provider, the shared credential."""
    model, forced = values.get("model"), values.get("custom_llm_provider")
    try:
        prefix: object = split(str(model), forced if isinstance(forced, str) else None)[0].prefix
    except UnknownProvider:
        prefix = (model, forced)
    addresses = tuple(_plain_address(values.get(name)) for name in ADDRESSES)
    return (prefix, *addresses, values.get("litellm_credential_name"))


def _plain_address(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def is_secret(name: str) -> bool:
    """Whether a parameter may hold a secret, by its name."""
    return name not in PLAIN and (name in KEYS or name == "extra_body" or SECRET.search(name) is not None)


def is_plain(name: str, value: object) -> bool:
    """Whether a parameter is shown as it is."""
    if name in PLAIN:
        return True
    if is_secret(name):
        return False
    known = name in REQUEST_PARAMS or is_price_field(name)
    return known or value is None or isinstance(value, bool | int | float)


def shown_values(values: Values) -> dict[str, Any]:
    """The parameters with every value masked that may be a secret."""
    return {name: value if is_plain(name, value) else masked(value) for name, value in values.items()}


def masked(value: object) -> object:
    """A value that tells little: `****wxyz`. What is inside a mapping or list is masked too."""
    if isinstance(value, str):
        return f"{MASK}{value[-SHOWN_CHARS:]}" if len(value) >= LONG_CHARS else MASK
    if isinstance(value, Mapping):
        return {name: masked(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [masked(inside) for inside in value]
    return value


def has_mask(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith(MASK)
    inside: Iterable[object] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list):
        inside = value
    return any(has_mask(each) for each in inside)
