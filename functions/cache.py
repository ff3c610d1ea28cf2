"""The response cache: whether it works, its settings, and the deletion of answers at every worker."""

import msgspec

from functions.answers.cache_settings import ENVIRONMENT, settings_of, values_of
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CacheContext
from functions.rules.cache_settings import PARAM, names_place, shown_settings, stored_settings
from functions.rules.stored_values import checked_settings
from models_registry.config.response_cache import CacheRules
from models_registry.config.stored import Stored
from schema.cache import (
    CacheDeleted,
    CacheFlushed,
    CachePing,
    CacheSettings,
    CacheSettingsQuery,
    CacheSettingsRequest,
    CacheSettingsSaved,
    CacheTested,
    DeleteRequest,
    FlushRequest,
    PingQuery,
)
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest
from schema.fields import texts
from schema.undeclared import refuse_undeclared
from schema.wire import to_json

MAX_KEYS = 1_000
MAX_KEY_CHARS = 200


@function("GET", "/cache/ping", access=Access.SETTINGS_READ)
async def ping(request: PingQuery, ctx: CacheContext) -> CachePing:
    """Keep an answer in the response cache, and find it. 503 where there is no cache, or it fails."""
    if not ctx.cache.is_on:
        raise Overloaded("The response cache is off: `litellm_settings.cache` is not set.")
    if not await ctx.cache.ping():
        raise Overloaded("The response cache did not keep an answer.")
    return CachePing(
        status="healthy",
        cache_type=ctx.cache.rules.kind.value,
        ping_response=True,
        set_cache_response="success",
        litellm_cache_params=_told(ctx.cache.rules),
    )


@function("GET", "/cache/settings", access=Access.SETTINGS_READ)
async def settings(request: CacheSettingsQuery, ctx: CacheContext) -> CacheSettings:
    """Show the settings of the response cache in force, and what each of them means."""
    stored = await ctx.registry.read()
    said = ctx.registry.in_force().litellm_settings
    source = "default" if said.cache is None else "config"
    if stored.cache_settings or stored.cache_flaw:
        source = "database"
    redis_source = source if names_place(said.cache_params or {}) else ENVIRONMENT
    return settings_of(ctx.cache.rules, source, redis_source=redis_source)


@function("POST", "/cache/settings", access=Access.SETTINGS_WRITE)
async def save_settings(request: CacheSettingsRequest, ctx: CacheContext) -> CacheSettingsSaved:
    """Store settings of the response cache, all of them. They are in force at once here, and within a second
    everywhere."""
    refuse_undeclared(request)
    config = ctx.registry.in_force()
    checked_settings(request.cache_settings or {}, param=PARAM)

    def change(stored: Stored) -> Stored:
        made, _ = stored_settings(request.cache_settings, stored, config)
        return msgspec.structs.replace(stored, cache_settings=made, cache_flaw="")

    after = await ctx.registry.change(change, call=ctx.call)
    return CacheSettingsSaved(settings=shown_settings(after.cache_settings))


@function("POST", "/cache/settings/test", access=Access.SETTINGS_WRITE)
async def try_settings(request: CacheSettingsRequest, ctx: CacheContext) -> CacheTested:
    """Keep an answer by these settings, and find it. Nothing is put in force."""
    refuse_undeclared(request)
    config = ctx.registry.in_force()
    checked_settings(request.cache_settings or {}, param=PARAM)
    _, rules = stored_settings(request.cache_settings, await ctx.registry.read(), config)
    flaw = await ctx.cache.trial(ctx.cache.rules if rules is None else rules)
    if flaw:
        return CacheTested(status="failed", message="The response cache did not keep an answer.", error=flaw)
    return CacheTested(status="success", message="An answer was kept and found.")


@function("POST", "/cache/delete", access=Access.SETTINGS_WRITE)
async def delete(request: DeleteRequest, ctx: CacheContext) -> CacheDeleted:
    """Delete answers of the response cache by their keys, at every worker within a second."""
    refuse_undeclared(request)
    keys = texts(request.keys, param="keys")
    if not 0 < len(keys) <= MAX_KEYS or any(not 0 < len(key) <= MAX_KEY_CHARS for key in keys):
        raise InvalidRequest(
            f"keys: expected 1 to {MAX_KEYS} keys, each of 1 to {MAX_KEY_CHARS} characters.", param="keys"
        )
    if any("\n" in key for key in keys):
        raise InvalidRequest("keys: a key has no line break.", param="keys")
    return CacheDeleted(deleted=await ctx.cache.delete(keys, call=ctx.call))


@function("POST", "/cache/flushall", access=Access.SETTINGS_WRITE)
async def flushall(request: FlushRequest, ctx: CacheContext) -> CacheFlushed:
    """Delete all answers of the response cache, at every worker within a second."""
    refuse_undeclared(request)
    await ctx.cache.flush(call=ctx.call)
    return CacheFlushed()


def _told(rules: CacheRules) -> str:
    """The rules by the names of the config."""
    return to_json(values_of(rules)).decode()
