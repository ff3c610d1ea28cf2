"""Virtual keys: make, show, list, delete."""

import hashlib
from datetime import datetime

import msgspec

from functions.context import Caller, KeyContext
from functions.function import Access, function
from schema.duration import after
from schema.errors import InvalidRequest, NotFound, UnsupportedParameter
from schema.keys import (
    KeyDeleteRequest,
    KeyFacts,
    KeyGenerated,
    KeyGenerateRequest,
    KeyInfo,
    KeyInfoQuery,
    KeyList,
    KeyListQuery,
    KeyRecord,
    KeysDeleted,
)

MIN_KEY_CHARS = 16
MAX_PAGE = 100
MAX_DELETED = 1_000
MAX_NAME_CHARS = 256
MAX_MODELS = 1_000
MAX_METADATA_BYTES = 16 * 1024
_ABSENT = frozenset({b"null", b"{}", b"[]", b'""', b"0", b"0.0", b"false"})
"""Values with which an undeclared field asks for nothing."""


@function("POST", "/key/generate", access=Access.ADMIN)
async def generate(request: KeyGenerateRequest, ctx: KeyContext) -> KeyGenerated:
    """Make a virtual key. The answer is the only place where the key itself is ever shown."""
    _refuse_undeclared(request)
    _check_sizes(request)
    key = request.key or ctx.entropy.key()
    if request.key is not None:
        _check_chosen(request.key)
    now = ctx.clock.now()
    record = KeyRecord(
        token=_hash(key),
        key_name=f"sk-...{key[-4:]}",
        key_alias=request.key_alias,
        user_id=request.user_id,
        team_id=request.team_id,
        models=request.models,
        metadata=request.metadata,
        expires=None if request.duration is None else after(now, request.duration, param="duration"),
        created_at=now,
        created_by=ctx.call.caller.user_id,
    )
    await ctx.keys.add(record)
    return KeyGenerated(
        key=key,
        key_name=record.key_name,
        key_alias=record.key_alias,
        token=record.token,
        token_id=record.token,
        expires=record.expires,
        models=record.models,
        user_id=record.user_id,
        team_id=record.team_id,
        metadata=record.metadata,
        spend=0.0,
        created_at=record.created_at,
        created_by=record.created_by,
    )


@function("GET", "/key/info", access=Access.KEY)
async def info(request: KeyInfoQuery, ctx: KeyContext) -> KeyInfo:
    """Show one key: the one named, by itself or its hash, or the caller's own."""
    caller = ctx.call.caller
    if request.key is None and caller.is_admin:
        raise InvalidRequest("key: the master key is no virtual key; name one.", param="key")
    key_hash = caller.key_hash if request.key is None else _hash(request.key)
    record = await ctx.keys.find(key_hash)
    if record is None or not _may_see(caller, record):
        raise NotFound("There is no such key.", param="key")
    return KeyInfo(key=key_hash, info=_facts(record, ctx.clock.now()))


@function("GET", "/key/list", access=Access.KEY)
async def list_keys(request: KeyListQuery, ctx: KeyContext) -> KeyList:
    """List keys by page: all for an admin, the caller's own for others."""
    if not 1 <= request.size <= MAX_PAGE:
        raise InvalidRequest(f"size: expected 1 to {MAX_PAGE}, found {request.size}", param="size")
    if not 1 <= request.page <= 1_000_000:
        raise InvalidRequest(f"page: expected 1 or more, found {request.page}", param="page")
    caller = ctx.call.caller
    if request.key_hash is not None:
        request = msgspec.structs.replace(request, key_hash=_hash(request.key_hash))
    if not caller.is_admin and not caller.user_id:
        request = msgspec.structs.replace(request, key_hash=caller.key_hash)
    page = await ctx.keys.page(request, user_id=None if caller.is_admin else caller.user_id or None)
    now = ctx.clock.now()
    shown: list[str | KeyFacts] = [
        _facts(record, now) if request.return_full_object else record.token for record in page.records
    ]
    return KeyList(
        keys=shown,
        total_count=page.total,
        current_page=request.page,
        total_pages=-(-page.total // request.size),
    )


@function("POST", "/key/delete", access=Access.ADMIN)
async def delete(request: KeyDeleteRequest, ctx: KeyContext) -> KeysDeleted:
    """Delete keys by themselves, their hashes or their aliases. A record of each is kept."""
    _refuse_undeclared(request)
    if not request.keys and not request.key_aliases:
        raise InvalidRequest("keys: name at least one key or alias.", param="keys")
    if len(request.keys) + len(request.key_aliases) > MAX_DELETED:
        raise InvalidRequest(f"keys: at most {MAX_DELETED} at once.", param="keys")
    hashes = [_hash(key) for key in request.keys]
    deleted = await ctx.keys.remove(hashes, request.key_aliases, by=ctx.call.caller)
    if not deleted:
        raise NotFound("None of these keys exists.", param="keys")
    return KeysDeleted(deleted_keys=deleted)


def _hash(key_or_hash: str) -> str:
    """A key's hash; a hash as it is. A key starts with `sk-`, so neither is taken for the other."""
    if key_or_hash.startswith("sk-"):
        return hashlib.sha256(key_or_hash.encode()).hexdigest()
    return key_or_hash


def _check_chosen(key: str) -> None:
    if not key.startswith("sk-") or len(key) < MIN_KEY_CHARS or not key.isascii() or len(key) > 512:
        raise InvalidRequest(
            f"key: expected `sk-` and at least {MIN_KEY_CHARS} ASCII characters in all.", param="key"
        )


def _check_sizes(request: KeyGenerateRequest) -> None:
    """The record is read with every call of the key."""
    for name in ("key_alias", "user_id", "team_id"):
        if len(getattr(request, name) or "") > MAX_NAME_CHARS:
            raise InvalidRequest(f"{name}: at most {MAX_NAME_CHARS} characters.", param=name)
    if len(request.models) > MAX_MODELS or any(len(model) > MAX_NAME_CHARS for model in request.models):
        raise InvalidRequest(
            f"models: at most {MAX_MODELS} names of at most {MAX_NAME_CHARS} characters.", param="models"
        )
    if len(msgspec.json.encode(request.metadata)) > MAX_METADATA_BYTES:
        raise InvalidRequest(f"metadata: at most {MAX_METADATA_BYTES} bytes of JSON.", param="metadata")


def _refuse_undeclared(request: KeyGenerateRequest | KeyDeleteRequest) -> None:
    """A limit that was asked for and silently not kept would be worse than a refusal."""
    declared = {field.encode_name for field in msgspec.structs.fields(request)}
    for name, value in request.raw.items():
        if name not in declared and bytes(value) not in _ABSENT:
            raise UnsupportedParameter(f"{name}: not supported by this version.", param=name)


def _may_see(caller: Caller, record: KeyRecord) -> bool:
    own_user = bool(caller.user_id) and record.user_id == caller.user_id
    return caller.is_admin or own_user or record.token == caller.key_hash


def _facts(record: KeyRecord, now: datetime) -> KeyFacts:
    expired = record.expires is not None and record.expires <= now
    return KeyFacts(
        token=record.token,
        key_name=record.key_name,
        key_alias=record.key_alias,
        user_id=record.user_id,
        team_id=record.team_id,
        models=record.models,
        metadata=record.metadata,
        spend=record.spend_nano / 1e9,
        expires=record.expires,
        blocked=record.blocked,
        status="expired" if expired else "blocked" if record.blocked else "active",
        created_at=record.created_at,
        created_by=record.created_by,
    )
