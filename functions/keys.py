"""Virtual keys: make, change, show, list, block, replace, delete."""

from collections.abc import Sequence

import msgspec

from functions.answers.key_facts import facts_of, generated
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import GovernanceContext
from functions.rules.key_bounds import KeyBounds
from functions.rules.key_policy import (
    as_test_key,
    check_chosen,
    check_modest,
    check_owner,
    check_secret,
    check_service_keys,
    check_test_key,
    is_test_maker,
    key_changes,
    key_name,
)
from functions.rules.pages import check_page, pages_of
from functions.rules.row_changes import of_new_row
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import dollars, filled, texts
from schema.keys import (
    KeyAliases,
    KeyAliasesQuery,
    KeyBlockRequest,
    KeyBulkUpdateRequest,
    KeyChanged,
    KeyDeleteRequest,
    KeyFacts,
    KeyFields,
    KeyGenerated,
    KeyGenerateRequest,
    KeyHealth,
    KeyHealthRequest,
    KeyInfo,
    KeyInfoQuery,
    KeyList,
    KeyListQuery,
    KeyNotChanged,
    KeyOwner,
    KeyRecord,
    KeyRegenerateRequest,
    KeyResetSpendRequest,
    KeysChanged,
    KeysDeleted,
    KeysInfo,
    KeysInfoRequest,
    KeySpendReset,
    KeyUpdated,
    KeyUpdateRequest,
)
from schema.secret import hash_of
from schema.undeclared import refuse_undeclared, with_parts
from schema.window import after

MAX_PAGE = 100
MAX_AT_ONCE = 1_000
NO_SUCH_KEY = "There is no such key."


@function("POST", "/key/generate", access=Access.KEYS_WRITE, echoes=True)
async def generate(request: KeyGenerateRequest, ctx: GovernanceContext) -> KeyGenerated:
    """Make a virtual key. The answer is the only place where the key itself is ever shown."""
    return await _make(request, ctx)


@function("POST", "/key/service-account/generate", access=Access.KEYS_WRITE, echoes=True)
async def generate_service_account(request: KeyGenerateRequest, ctx: GovernanceContext) -> KeyGenerated:
    """Make a key for a service account: it belongs to a team and to no user."""
    if not isinstance(request.team_id, str) or not request.team_id:
        raise InvalidRequest("team_id: a service account's key needs a team.", param="team_id")
    if request.user_id:
        raise InvalidRequest("user_id: a service account's key has no user.", param="user_id")
    return await _make(request, ctx, service=True)


async def _make(
    request: KeyGenerateRequest, ctx: GovernanceContext, *, service: bool = False
) -> KeyGenerated:
    refuse_undeclared(request)
    key = ctx.entropy.key() if request.key is None else check_chosen(request.key)
    changes = _checked(request, ctx)
    await check_owner(changes, ctx, service=service)
    token = hash_of(key)
    record = KeyRecord(token=token, key_id=token, key_name=key_name(key), created_at=ctx.call.received_at)
    for_ever = isinstance(request.duration, str) and changes.get("expires") is None
    record = msgspec.structs.replace(record, **of_new_row(changes))
    record = await _bounds(ctx).made(record, for_ever=for_ever)
    record = await ctx.keys.add(record, call=ctx.call)
    return await generated(key, record, ctx)


def _bounds(ctx: GovernanceContext) -> KeyBounds:
    return KeyBounds(ctx.call, ctx.keys, ctx.policy, ctx.accesses)


def _checked(
    request: KeyFields, ctx: GovernanceContext, before: KeyRecord | None = None
) -> dict[str, object]:
    """The columns that a request sets, checked against what the caller's role allows."""
    new = before is None
    if new and not is_test_maker(ctx):
        request = filled(request, ctx.policy.key_defaults, "default_key_generate_params")
    if is_test_maker(ctx):
        request = as_test_key(request, ctx.policy, ctx.call.received_at, new=new)
    changes = key_changes(request, ctx)
    if is_test_maker(ctx):
        check_test_key(changes, ctx, before)
    return changes


@function("POST", "/key/update", access=Access.KEYS_WRITE, echoes=True)
async def update(request: KeyUpdateRequest, ctx: GovernanceContext) -> KeyUpdated:
    """Change a key, named by itself, its hash or its alias. A field that is absent stays as it is, and null
    clears it."""
    record = await _update(request, ctx)
    return KeyUpdated(**msgspec.structs.asdict(await facts_of(record, ctx)), key=record.token)


@function("POST", "/key/bulk_update", access=Access.KEYS_WRITE)
async def bulk_update(request: KeyBulkUpdateRequest, ctx: GovernanceContext) -> KeysChanged:
    """Change up to 1,000 keys, each on its own. Keys that can't be changed are listed with the reason."""
    refuse_undeclared(request)
    if not 1 <= len(request.keys) <= MAX_AT_ONCE:
        raise InvalidRequest(f"keys: expected 1 to {MAX_AT_ONCE}.", param="keys")
    with_parts(request, "keys", request.keys)
    changed: list[KeyChanged] = []
    failed: list[KeyNotChanged] = []
    for each in request.keys:
        try:
            record = await _update(each, ctx)
            changed.append(KeyChanged(key=record.token, key_info=await facts_of(record, ctx)))
        except GatewayError as error:
            named = hash_of(each.key) if each.key else str(each.key_alias or "")
            failed.append(KeyNotChanged(key=named, failed_reason=error.message))
    return KeysChanged(total_requested=len(request.keys), successful_updates=changed, failed_updates=failed)


async def _update(request: KeyUpdateRequest, ctx: GovernanceContext) -> KeyRecord:
    if request.key is None and not request.key_alias:
        raise InvalidRequest("key: name the key or its alias.", param="key")
    before = await (
        _named(request.key, ctx) if request.key is not None else _by_alias(str(request.key_alias), ctx)
    )
    refuse_undeclared(request, await facts_of(before, ctx))
    changes = _checked(request, ctx, before)
    if request.key is None:
        changes.pop("key_alias", None)
    await check_owner(changes, ctx, before)
    await check_modest(changes, ctx, before)
    check = await _bounds(ctx).changed(before, changes)
    record = await ctx.keys.change(before.token, changes, check=check, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    return record


@function("GET", "/key/info", access=Access.KEYS_READ)
async def info(request: KeyInfoQuery, ctx: GovernanceContext) -> KeyInfo:
    """Show one key, named by itself or its hash. Without `key`, show the key that is calling. A key that was
    deleted is shown as it was, with the status `deleted`."""
    caller = ctx.call.caller
    if request.key is None and len(caller.key_hash) != 64:
        raise InvalidRequest("key: the master key is no virtual key; name one.", param="key")
    hashed = caller.key_hash if request.key is None else hash_of(request.key)
    record = await ctx.keys.find(hashed, call=ctx.call)
    if record is not None:
        return KeyInfo(key=request.key or hashed, info=await facts_of(record, ctx))
    gone = await ctx.keys.deleted(hashed, call=ctx.call)
    if gone is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    facts = msgspec.structs.replace(await facts_of(gone, ctx), status="deleted")
    return KeyInfo(key=request.key or hashed, info=facts)


@function("POST", "/v2/key/info", access=Access.KEYS_READ)
async def info_of_many(request: KeysInfoRequest, ctx: GovernanceContext) -> KeysInfo:
    """Show several keys. Keys that do not exist are left out."""
    refuse_undeclared(request)
    records = await ctx.keys.some(_hashes(request.keys), call=ctx.call)
    asked = {hash_of(key): key for key in request.keys}
    return KeysInfo(
        key=[asked[record.token] for record in records],
        info=[await facts_of(record, ctx) for record in records],
    )


@function("GET", "/key/list", access=Access.KEYS_READ)
async def list_keys(request: KeyListQuery, ctx: GovernanceContext) -> KeyList:
    """List the keys within the caller's reach, by page. A page has 100 keys at most."""
    request = msgspec.structs.replace(request, size=min(request.size, MAX_PAGE))
    check_page(request.page, request.size, most=MAX_PAGE, size_param="size")
    if request.key_hash is not None:
        request = msgspec.structs.replace(request, key_hash=hash_of(request.key_hash))
    expands = [name.strip() for name in (request.expand or "").split(",") if name.strip()]
    if unknown := sorted(set(expands) - {"user"}):
        raise InvalidRequest(f"expand: {unknown[0][:100]!r} is not known; expected user.", param="expand")
    page = await ctx.keys.search(request, now=ctx.call.received_at, call=ctx.call)
    shown: list[str | KeyFacts] = [record.token for record in page.records]
    if request.return_full_object or expands:
        owners = await _owners(page.records, ctx) if expands else {}
        shown = []
        for record in page.records:
            facts = await facts_of(record, ctx)
            if request.status == "deleted":
                facts = msgspec.structs.replace(facts, status="deleted")
            if expands:
                facts = msgspec.structs.replace(facts, user=owners.get(record.user_id or ""))
            shown.append(facts)
    return KeyList(
        keys=shown,
        total_count=page.total,
        current_page=request.page,
        total_pages=pages_of(page.total, request.size),
    )


async def _owners(records: Sequence[KeyRecord], ctx: GovernanceContext) -> dict[str, KeyOwner]:
    """The users of keys that the caller may see, by their ids."""
    scope = ctx.call.caller.scope(Access.USERS_READ)
    call = msgspec.structs.replace(ctx.call, scope=scope)
    found = await ctx.users.some(sorted({each.user_id for each in records if each.user_id}), call=call)
    return {
        each.user_id: KeyOwner(
            user_id=each.user_id,
            user_email=each.user_email,
            user_alias=each.user_alias,
            user_role=each.user_role,
        )
        for each in found
    }


@function("GET", "/key/aliases", access=Access.KEYS_READ)
async def aliases(request: KeyAliasesQuery, ctx: GovernanceContext) -> KeyAliases:
    """List the aliases of the keys within the caller's reach, by page. A page has 100 aliases at most."""
    request = msgspec.structs.replace(request, size=min(request.size, MAX_PAGE))
    check_page(request.page, request.size, most=MAX_PAGE, size_param="size")
    query = KeyListQuery(
        page=request.page, size=request.size, key_alias=request.search, substring_matching=True
    )
    page = await ctx.keys.search(query, now=ctx.call.received_at, call=ctx.call, named=True)
    return KeyAliases(
        aliases=[record.key_alias for record in page.records if record.key_alias is not None],
        total_count=page.total,
        current_page=request.page,
        total_pages=pages_of(page.total, request.size),
    )


@function("POST", "/key/block", access=Access.KEYS_WRITE)
async def block(request: KeyBlockRequest, ctx: GovernanceContext) -> KeyFacts:
    """Refuse a key until it is unblocked."""
    return await _set_blocked(request, ctx, blocked=True)


@function("POST", "/key/unblock", access=Access.KEYS_WRITE)
async def unblock(request: KeyBlockRequest, ctx: GovernanceContext) -> KeyFacts:
    """Let a blocked key in again."""
    return await _set_blocked(request, ctx, blocked=False)


async def _set_blocked(request: KeyBlockRequest, ctx: GovernanceContext, *, blocked: bool) -> KeyFacts:
    refuse_undeclared(request)
    before = await _named(request.key, ctx)
    await check_modest({"blocked": blocked}, ctx, before)
    record = await ctx.keys.change(before.token, {"blocked": blocked}, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    return await facts_of(record, ctx)


@function("POST", "/key/{key}/regenerate", access=Access.KEYS_WRITE, echoes=True)
async def regenerate(request: KeyRegenerateRequest, ctx: GovernanceContext) -> KeyGenerated:
    """Replace a key by a new one, which keeps the spend and the limits. The old key works on for
    `grace_period`, such as `24h`, or ends at once without it."""
    return await _regenerate(request, ctx)


@function("POST", "/key/regenerate", access=Access.KEYS_WRITE, echoes=True)
async def regenerate_named(request: KeyRegenerateRequest, ctx: GovernanceContext) -> KeyGenerated:
    """Replace a key by a new one, like `/key/{key}/regenerate`, with the key in the body."""
    return await _regenerate(request, ctx)


async def _regenerate(request: KeyRegenerateRequest, ctx: GovernanceContext) -> KeyGenerated:
    refuse_undeclared(request)
    if request.key is None:
        raise InvalidRequest("key: name the key to replace.", param="key")
    before = await _named(request.key, ctx)
    await check_secret(ctx, before)
    now = ctx.call.received_at
    key = ctx.entropy.key() if request.new_key is None else check_chosen(request.new_key, "new_key")
    if hash_of(key) == before.token:
        raise InvalidRequest("new_key: it is the key as it is; choose another.", param="new_key")
    changes = _checked(request, ctx, before)
    await check_owner(changes, ctx, before)
    await check_modest(changes, ctx, before)
    revoke_at = after(now, request.grace_period, param="grace_period") if request.grace_period else None
    check = await _bounds(ctx).changed(before, changes, shown=True)
    changes |= {"token": hash_of(key), "key_name": key_name(key), "last_rotation_at": now}
    record = await ctx.keys.replace(before.token, changes, revoke_at=revoke_at, check=check, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    return await generated(key, record, ctx)


@function("POST", "/key/{key}/reset_spend", access=Access.KEYS_WRITE)
async def reset_spend(request: KeyResetSpendRequest, ctx: GovernanceContext) -> KeySpendReset:
    """Set what a key has spent in its budget window, in dollars. An admin may, and who administers the key's
    team, but not for an own key."""
    refuse_undeclared(request)
    before = await _named(request.key, ctx)
    changes: dict[str, object] = {"spend": dollars(request.reset_to, param="reset_to")}
    await check_owner(changes, ctx, before)
    check = await _bounds(ctx).changed(before, changes)
    record = await ctx.keys.change(before.token, changes, check=check, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    return KeySpendReset(key_hash=record.token, spend=record.spend, previous_spend=before.spend)


@function("POST", "/key/delete", access=Access.KEYS_WRITE)
async def delete(request: KeyDeleteRequest, ctx: GovernanceContext) -> KeysDeleted:
    """Delete keys, named by themselves, their hashes or their aliases. A record of each key is kept."""
    refuse_undeclared(request)
    if not request.keys and not request.key_aliases:
        raise InvalidRequest("keys: name at least one key or alias.", param="keys")
    if len(request.keys) + len(request.key_aliases) > MAX_AT_ONCE:
        raise InvalidRequest(f"keys: at most {MAX_AT_ONCE} at once.", param="keys")
    hashes = _hashes(request.keys)
    asked = dict(zip(hashes, request.keys, strict=True))
    if request.key_aliases:
        named = await ctx.keys.page({"key_alias": request.key_aliases}, call=ctx.call, size=MAX_AT_ONCE)
        hashes += [record.token for record in named.records]
    await check_service_keys(await ctx.keys.some(hashes, call=ctx.call), ctx)
    deleted = await ctx.keys.remove(hashes, call=ctx.call)
    if not deleted:
        raise NotFound("None of these keys exists.", param="keys")
    names = [asked.get(record.token) or record.key_alias or record.token for record in deleted]
    return KeysDeleted(deleted_keys=names)


async def _named(key_or_hash: str, ctx: GovernanceContext) -> KeyRecord:
    record = await ctx.keys.find(hash_of(key_or_hash), call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_KEY, param="key")
    return record


async def _by_alias(alias: str, ctx: GovernanceContext) -> KeyRecord:
    page = await ctx.keys.page({"key_alias": alias}, call=ctx.call, size=1)
    if not page.records:
        raise NotFound("There is no key of that alias.", param="key_alias")
    return page.records[0]


def _hashes(keys: list[str]) -> list[str]:
    if len(keys) > MAX_AT_ONCE:
        raise InvalidRequest(f"keys: at most {MAX_AT_ONCE} at once.", param="keys")
    return texts([hash_of(key) for key in keys], param="keys")


@function("POST", "/key/health", access=Access.KEYS_READ)
async def health(request: KeyHealthRequest, ctx: GovernanceContext) -> KeyHealth:
    """Say that the calling key works. A key that does not never comes here."""
    return KeyHealth()
