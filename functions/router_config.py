"""Settings of the router, which count before the config file's; fallbacks; the hosts' config files."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

import msgspec

from functions.answers.router_settings import FACTS, settings_in_force
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import RegistryContext
from functions.rules.stored_values import checked_settings
from models_registry.config.sections import FallbackLists
from models_registry.config.storable import unknown_settings
from models_registry.config.stored import ROUTER_SETTINGS, Stored
from schema.errors.models import ModelNotFound
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.fields import text, texts
from schema.router_config import (
    ConfigHosts,
    ConfigUpdated,
    ConfigUpdateRequest,
    FallbackDeleted,
    FallbackDeleteRequest,
    FallbackMade,
    FallbackQuery,
    FallbackRequest,
    FallbackShown,
    RouterSettingsShown,
    SettingField,
    SettingsQuery,
    UnknownSetting,
)
from schema.undeclared import refuse_undeclared

MAX_FALLBACKS = 20
SETTING_OF = MappingProxyType(
    {
        "general": "fallbacks",
        "context_window": "context_window_fallbacks",
        "content_policy": "content_policy_fallbacks",
    }
)


@function("POST", "/config/update", access=Access.SETTINGS_WRITE)
async def update(request: ConfigUpdateRequest, ctx: RegistryContext) -> ConfigUpdated:
    """Change settings of the router. They are in force at once here, and within a second everywhere."""
    refuse_undeclared(request)
    given = request.router_settings or {}
    checked_settings(given, param="router_settings")
    for name in unknown_settings(given):
        if given[name] is not None:
            raise UnsupportedParameter(
                f"router_settings.{name[:100]}: not supported by this version.",
                param=f"router_settings.{name}",
            )

    def change(stored: Stored) -> Stored:
        after = {**stored.router_settings, **given}
        kept = {name: value for name, value in after.items() if value is not None}
        return msgspec.structs.replace(stored, router_settings=kept, router_flaw="")

    await ctx.registry.change(change, call=ctx.call)
    return ConfigUpdated()


@function("GET", "/router/settings", access=Access.SETTINGS_READ)
async def settings(request: SettingsQuery, ctx: RegistryContext) -> RouterSettingsShown:
    """Show the settings of the router that are in force, and where each comes from."""
    config = ctx.registry.in_force()
    stored = await ctx.registry.read()
    refused = _refused(stored, config.unfit_settings)
    fit = stored.router_settings.keys() - refused.keys()
    in_force = settings_in_force(config)
    fields = [
        SettingField(
            field_name=name,
            field_value=in_force[name],
            source="database" if name in fit else "default" if in_force[name] is None else "config",
            field_type=facts.type,
            field_description=facts.meaning,
            options=None if facts.options is None else list(facts.options),
            refused=refused.get(name),
        )
        for name, facts in FACTS.items()
    ]
    made = {name: value for name, value in in_force.items() if value is not None}
    unknown = [
        UnknownSetting(field_name=name, refused=reason)
        for name, reason in refused.items()
        if name not in FACTS
    ]
    return RouterSettingsShown(fields=fields, current_values=made, unknown_settings=unknown)


@function("GET", "/config/hosts", access=Access.SETTINGS_READ)
async def hosts(request: SettingsQuery, ctx: RegistryContext) -> ConfigHosts:
    """Show the hosts that serve with this database, and whether their config files are the same."""
    found = list(await ctx.hosts.listed())
    return ConfigHosts(
        same=len({each.config_hash for each in found if each.config_hash}) <= 1,
        needs_restart=list(ctx.hosts.waits_for_restart),
        settings_refused=list(ctx.hosts.settings_refused),
        hosts=found,
    )


@function("POST", "/fallback", access=Access.SETTINGS_WRITE)
async def set_fallback(request: FallbackRequest, ctx: RegistryContext) -> FallbackMade:
    """Say where calls of a model go when it fails."""
    refuse_undeclared(request)
    model = text(request.model, param="model")
    names = texts(request.fallback_models, param="fallback_models")
    if not 0 < len(names) <= MAX_FALLBACKS or len(set(names)) < len(names):
        raise InvalidRequest(
            f"fallback_models: expected 1 to {MAX_FALLBACKS} names, each once.", param="fallback_models"
        )
    if model in names:
        raise InvalidRequest("fallback_models: a model can't be its own fallback.", param="fallback_models")
    _check_names(model, names, ctx)
    setting = SETTING_OF[request.fallback_type]
    known: list[bool] = []

    def change(stored: Stored) -> Stored:
        lists = _lists(stored, setting, ctx)
        known.append(any(model in each for each in lists))
        return _with_lists(stored, setting, [*_without(lists, model), {model: names}])

    await ctx.registry.change(change, call=ctx.call)
    done = "updated" if known[0] else "created"
    return FallbackMade(
        model=model,
        fallback_models=names,
        fallback_type=request.fallback_type,
        message=f"Fallback configuration {done} successfully",
    )


@function("GET", "/fallback/{model:path}", access=Access.SETTINGS_READ)
async def fallback(request: FallbackQuery, ctx: RegistryContext) -> FallbackShown:
    """Show where calls of a model go when it fails."""
    lists = _lists(await ctx.registry.read(), SETTING_OF[request.fallback_type], ctx)
    found = next((each[request.model] for each in lists if request.model in each), None)
    if found is None:
        raise NotFound(f"The model has no {request.fallback_type} fallbacks.", param="model")
    return FallbackShown(model=request.model, fallback_models=found, fallback_type=request.fallback_type)


@function("DELETE", "/fallback/{model:path}", access=Access.SETTINGS_WRITE)
async def delete_fallback(request: FallbackDeleteRequest, ctx: RegistryContext) -> FallbackDeleted:
    """Take the fallbacks of a model away, those of the config file too."""
    refuse_undeclared(request)
    setting = SETTING_OF[request.fallback_type]

    def change(stored: Stored) -> Stored:
        lists = _lists(stored, setting, ctx)
        left = _without(lists, request.model)
        if left == list(lists):
            raise NotFound(f"The model has no {request.fallback_type} fallbacks.", param="model")
        return _with_lists(stored, setting, left)

    await ctx.registry.change(change, call=ctx.call)
    return FallbackDeleted(model=request.model, fallback_type=request.fallback_type)


def _refused(stored: Stored, unfit: Mapping[str, str]) -> dict[str, str]:
    """Why settings that are still stored are not in force, by their names. Where what is stored is no object,
    the name is `router_settings`."""
    names = {*stored.router_settings, *([ROUTER_SETTINGS] if stored.router_flaw else [])}
    return {name: reason for name, reason in unfit.items() if name in names}


def _lists(stored: Stored, setting: str, ctx: RegistryContext) -> FallbackLists:
    """The lists of fallbacks as they stand: those that are stored, else the config's."""
    config = ctx.registry.in_force()
    if setting in stored.router_settings:
        with suppress(msgspec.ValidationError):  # another version or SQL stored it a moment ago
            return msgspec.convert(stored.router_settings[setting], FallbackLists)
    return settings_in_force(config)[setting] or []


def _without(lists: FallbackLists, model: str) -> FallbackLists:
    left = [{name: names for name, names in each.items() if name != model} for each in lists]
    return [each for each in left if each]


def _with_lists(stored: Stored, setting: str, lists: FallbackLists) -> Stored:
    settings = {**stored.router_settings, setting: lists}
    return msgspec.structs.replace(stored, router_settings=settings, router_flaw="")


def _check_names(model: str, names: Sequence[str], ctx: RegistryContext) -> None:
    """Raises ModelNotFound for the model, and InvalidRequest for a fallback that does not exist."""
    seen = ctx.models.of_team(None)
    if seen.card(model, allowed=()) is None:
        raise ModelNotFound(f"The model `{model[:200]}` does not exist here.", param="model")
    for name in names:
        if seen.card(name, allowed=()) is None:
            raise InvalidRequest(
                f"fallback_models: no model is called {name[:200]!r}.", param="fallback_models"
            )
