"""Models, credentials and router settings that were entered through the API, merged with the config file.

The file's deployments come first, then the stored ones, oldest first. A stored setting counts before the
file's setting of the same name, if it can be in force. A stored model that can't be called is skipped,
whatever is wrong with it: a row never keeps a server from starting. What may be stored at all is judged when
it is entered (`models_registry/config/storable.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from models_registry.config.compiled import BuildCache
from models_registry.config.entries import (
    Credentials,
    Deployment,
    EntryRead,
    Skipped,
    Waiting,
    public_name_of,
    skipped_of,
    would_be_local,
)
from models_registry.config.own_keys import check_own_keys
from models_registry.config.reader import Config, read_config, read_entry
from models_registry.config.response_cache import PATH, cache_rules_of
from models_registry.config.storable import Values, allowed_variables, unfit_values
from models_registry.config.stored_address import refusal_of
from models_registry.config.variables import ENV_PREFIX
from models_registry.numbers import BadDeployment

ROUTER_SETTINGS = "router_settings"
CACHE_SETTINGS = "cache_settings"
LITELLM_SETTINGS = "litellm_settings"
FALLBACKS = ("fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""The lists of the router that a config file may have in `litellm_settings` too."""
PASSWORD = "password"
"""The one secret among the settings of the response cache."""


class StoredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A stored deployment, opened. `flaw` says why its values can't be read, such as another salt key."""

    model_id: str
    model_name: str
    litellm_params: Values
    unread: frozenset[str] = frozenset()
    """The parameters that can't be opened. They stay stored as they are until somebody sends them again."""
    model_info: Values = {}
    blocked: bool = False
    flaw: str = ""
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None

    def __repr__(self) -> str:
        return f"StoredModel({self.model_id!r})"  # its parameters hold keys

    @property
    def team_id(self) -> str | None:
        """The team that owns the model."""
        team = self.model_info.get("team_id")
        return team if isinstance(team, str) and team else None

    @property
    def path(self) -> str:
        """Where it stands, for messages: `model 0b1f`."""
        return f"model {self.model_id[:100]}"


class StoredCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A stored credential, opened."""

    id: str
    name: str
    values: Values
    unread: frozenset[str] = frozenset()
    """The values that can't be opened. They stay stored as they are until somebody sends them again."""
    info: Values = {}
    flaw: str = ""

    def __repr__(self) -> str:
        return f"StoredCredential({self.name!r})"

    @property
    def path(self) -> str:
        return f"credential {self.name[:100]}"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored beside the file."""

    models: tuple[StoredModel, ...] = ()
    credentials: tuple[StoredCredential, ...] = ()
    router_settings: Values = {}
    router_flaw: str = ""
    """Why they can't be read. None of them is in force then."""
    cache_settings: Values = {}
    """`cache_params` of the response cache. They count in place of the file's. Empty: the file's count."""
    cache_flaw: str = ""
    """Why they can't be read, or the password among them. Nothing is cached then."""

    def __repr__(self) -> str:
        return f"Stored({len(self.models)} models)"


NOTHING = Stored()


def read_with_stored(
    document: Values, env: Mapping[str, str], stored: Stored = NOTHING, cache: BuildCache | None = None
) -> Config:
    """Check a config file together with what is stored beside it. Nothing that either can hold makes this
    raise. `cache` has what was read the last time."""
    cache = cache or BuildCache()
    config = cache.config(document, settings_of(stored), lambda: _with_settings(document, env, stored))
    if not stored.models and not stored.credentials:
        return config
    allowed = allowed_variables(config)
    credentials, doubts, unread = _shared(config.credentials, stored.credentials, allowed)
    deployments, skipped, warnings = list(config.deployments), list(config.skipped), list(config.warnings)
    for each in config.waiting:
        if each.credential not in credentials and each.credential not in unread:
            continue
        skipped = [entry for entry in skipped if entry.path != each.path]
        found, said = _waiting(each, config.environment, credentials, unread, cache)
        warnings += said
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            deployments.append(found)
    for model in stored.models:
        name = model.litellm_params.get("litellm_credential_name")
        flaw = unread.get(name, "") if isinstance(name, str) else ""
        if flaw and not model.flaw:
            flaw = f"litellm_params.litellm_credential_name: {flaw}"
            model = msgspec.structs.replace(model, flaw=flaw)
        found, said = _entry(model, config.ids, allowed, credentials, cache)
        warnings += said
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            deployments.append(found)
    cache.keep_entries({each.model_id for each in stored.models} | {each.path for each in config.waiting})
    return msgspec.structs.replace(
        config,
        deployments=tuple(deployments),
        skipped=tuple(skipped),
        warnings=(*warnings, *doubts),
        credentials=credentials,
    )


def settings_of(stored: Stored) -> Values:
    """The stored settings of the router and of the response cache, by their names."""
    return {
        ROUTER_SETTINGS: stored.router_settings,
        CACHE_SETTINGS: stored.cache_settings,
        "cache_flaw": stored.cache_flaw,
    }


def _with_settings(document: Values, env: Mapping[str, str], stored: Stored) -> Config:
    """The config file with the stored settings. Stored settings of the response cache that can't be in force
    switch it off: whoever stored them did not want the file's."""
    given: dict[str, Values] = {ROUTER_SETTINGS: stored.router_settings}
    params, flaw = dict(stored.cache_settings), stored.cache_flaw
    flaw = f"{CACHE_SETTINGS}: {flaw}" if flaw else ""
    lists = {name: None for name in FALLBACKS if name in stored.router_settings}
    if lists:  # the file may have its own in this section too
        given[LITELLM_SETTINGS] = lists
    if params or flaw:
        is_on = not flaw and params.get("type") != "off"
        given[LITELLM_SETTINGS] = {**lists, "cache": is_on, "cache_params": params if is_on else None}
    config = read_config(document, env, given)
    if params and not flaw:
        flaw = _cache_flaw(config, params)
    if not flaw:
        return msgspec.structs.replace(config, cache_judged=True) if params else config
    return msgspec.structs.replace(
        config,
        litellm_settings=msgspec.structs.replace(config.litellm_settings, cache=False, cache_params=None),
        warnings=(*config.warnings, f"{flaw}, and no answer is cached"),
        cache_flaw=flaw,
    )


def _cache_flaw(config: Config, params: Values) -> str:
    """Why stored settings of the response cache, which the config has by now, can't be in force. Empty: they
    can."""
    rules, errors, _ = cache_rules_of(config.litellm_settings, config.environment)
    if errors:
        return errors[0].replace(PATH, CACHE_SETTINGS)
    named = params.get("host") is not None or params.get("url") is not None
    refusal = refusal_of(rules.redis.origin) if rules.redis is not None and named else None
    return "" if refusal is None else f"{CACHE_SETTINGS}.host: {refusal}"


def _shared(
    given: Credentials, stored: Sequence[StoredCredential], allowed: Mapping[str, str]
) -> tuple[Credentials, list[str], Mapping[str, str]]:
    """The credentials by name, warnings, and why credentials can't be used, by name. The file's count
    first."""
    found, doubts, unfit = dict(given), list[str](), dict[str, str]()
    for each in stored:
        flaw = each.flaw or next(unfit_values(each.values, allowed), "")
        if each.name in found:
            doubts.append(f"{each.path}: the config file has one of this name, which counts")
        elif flaw:
            doubts.append(f"{each.path}: {flaw}")
            unfit[each.name] = f"the credential can't be used: {flaw}"
        else:
            found[each.name] = {name: _looked_up(value, allowed) for name, value in each.values.items()}
    return found, doubts, unfit


def _looked_up(value: object, allowed: Mapping[str, str]) -> object:
    if isinstance(value, str) and value.startswith(ENV_PREFIX):
        return allowed[value.removeprefix(ENV_PREFIX)]
    return value


def _waiting(
    entry: Waiting,
    env: Mapping[str, str],
    credentials: Credentials,
    unread: Mapping[str, str],
    cache: BuildCache,
) -> tuple[Deployment | Skipped, Sequence[str]]:
    """The deployment of an entry of the file that names a stored credential, or why it can't be called."""
    path, name = entry.path, entry.credential
    if name in unread:
        exc = BadDeployment(f"{path}.litellm_params.litellm_credential_name", unread[name])
        return skipped_of(entry.item, path, exc), ()
    shared = credentials[name]

    def read() -> EntryRead:
        try:
            entered = check_own_keys(entry.item["litellm_params"], shared, path)
        except BadDeployment as exc:
            return EntryRead(found=skipped_of(entry.item, path, exc), warnings=())
        read = read_entry(entry.item, path, env, {name: shared})
        if isinstance(read.found, Skipped):
            return read
        return EntryRead(found=msgspec.structs.replace(read.found, entered=entered), warnings=read.warnings)

    read_now = cache.entry(path, (entry, env, shared), read)
    return read_now.found, read_now.warnings


def _entry(
    model: StoredModel,
    taken: Mapping[str, str],
    allowed: Mapping[str, str],
    credentials: Credentials,
    cache: BuildCache,
) -> tuple[Deployment | Skipped, Sequence[str]]:
    """The deployment of a stored model, or why it can't be called."""

    def skipped(reason: str, *, blocked: bool = False) -> tuple[Skipped, Sequence[str]]:
        found = Skipped(
            path=model.path,
            model_name=public_name_of(entry_of(model)),
            reason=f"{model.path}: {reason}",
            local=not blocked
            and ("residency" in model.unread or would_be_local(model.litellm_params, model.model_info)),
            blocked=blocked,
            model_id=model.model_id,
            team_id=model.team_id or "",
        )
        return found, ()

    if model.flaw:
        return skipped(model.flaw)
    if model.blocked:
        return skipped("it is blocked", blocked=True)
    if model.model_id in taken:
        return skipped(f"its id is that of {taken[model.model_id]}")
    unfit = next(unfit_values(model.litellm_params, allowed), None)
    if unfit is not None:
        return skipped(unfit)

    def read_stored() -> EntryRead:
        read = read_entry(entry_of(model), model.path, allowed, credentials)
        if isinstance(read.found, Skipped):
            found = msgspec.structs.replace(read.found, model_id=model.model_id)
            return EntryRead(found=found, warnings=read.warnings)
        return EntryRead(
            found=msgspec.structs.replace(read.found, stored=True, entered=True), warnings=read.warnings
        )

    shared = credentials.get(str(model.litellm_params.get("litellm_credential_name")))
    read = cache.entry(model.model_id, (model, allowed, shared), read_stored)
    return read.found, read.warnings


def entry_of(model: StoredModel) -> dict[str, Any]:
    """The entry of `model_list` that a stored model stands for."""
    stamps = {
        "created_at": model.created_at,
        "created_by": model.created_by,
        "updated_at": model.updated_at,
        "updated_by": model.updated_by,
    }
    told = {name: str(value) for name, value in stamps.items() if value is not None}
    info = {**model.model_info, **told, "id": model.model_id, "db_model": True}
    return {
        "model_name": model.model_name,
        "litellm_params": dict(model.litellm_params),
        "model_info": info,
    }
