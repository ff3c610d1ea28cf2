"""The response cache: whether it works, and the deletion of answers at every worker."""

from functions.answers.cache_settings import settings_of, values_of
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CacheContext
from models_registry.config.response_cache import CacheRules
from schema.cache import (
    CacheDeleted,
    CacheFlushed,
    CachePing,
    CacheSettings,
    CacheSettingsQuery,
    DeleteRequest,
    FlushRequest,
    PingQuery,
)
from schema.errors import InvalidRequest, Overloaded
from schema.fields import refuse_undeclared, texts
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
    return settings_of(ctx.cache.rules)


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
