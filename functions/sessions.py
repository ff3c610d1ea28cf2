"""The sessions of people: list and end them, and let those of admins through to pgAdmin."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import PeopleContext
from functions.rules.pages import check_page, pages_of
from schema.errors.callers import NotAllowed
from schema.errors.rows import NotFound
from schema.sessions import (
    PgadminQuery,
    PgadminShown,
    SessionsEnded,
    SessionsEndRequest,
    SessionShown,
    SessionsQuery,
    SessionsShown,
)
from schema.undeclared import refuse_undeclared

MAX_PAGE = 500
PREFIX = "session:"
MASTERS = "The sessions of the master key's user are for the master key and its sessions, and for admins."


@function("GET", "/sessions", access=Access.SESSIONS_READ)
async def list_sessions(request: SessionsQuery, ctx: PeopleContext) -> SessionsShown:
    """List sessions, newest first: the caller's own, and to an admin everybody's."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    _check_owner(ctx)
    own = ctx.call.caller.user_id
    user_id = request.user_id if ctx.call.scope.everything else own
    if request.user_id not in (None, user_id):
        raise NotFound("There is no such user.", param="user_id")
    found = await ctx.sessions.page(user_id, page=request.page, size=request.page_size)
    current = ctx.call.caller.key_hash.removeprefix(PREFIX)
    return SessionsShown(
        sessions=[
            SessionShown(
                **{name: getattr(each, name) for name in each.__struct_fields__},
                is_current=each.session_id == current,
            )
            for each in found.records
        ],
        total=found.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(found.total, request.page_size),
    )


@function("POST", "/sessions/revoke", access=Access.SESSIONS_WRITE)
async def revoke(request: SessionsEndRequest, ctx: PeopleContext) -> SessionsEnded:
    """End sessions at once on all workers: one of them, all of a user, or everybody's. Without a field, the
    caller's own."""
    return await _end(request, ctx)


@function("DELETE", "/sessions", access=Access.SESSIONS_WRITE)
async def end_own(request: SessionsEndRequest, ctx: PeopleContext) -> SessionsEnded:
    """End sessions, as POST /sessions/revoke does."""
    return await _end(request, ctx)


@function("GET", "/sessions/pgadmin", access=Access.PGADMIN)
async def pgadmin(request: PgadminQuery, ctx: PeopleContext) -> PgadminShown:
    """Say that the caller's session may open pgAdmin. nginx asks before it lets a request through; the first
    time that a session asks is an entry of the audit log."""
    if not ctx.call.caller.key_hash.startswith(PREFIX):
        raise NotAllowed("pgAdmin is opened by a session, not by a key: sign in at /ui.")
    await ctx.sessions.note_pgadmin(call=ctx.call)
    return PgadminShown(user_id=ctx.call.caller.user_id)


def _check_owner(ctx: PeopleContext) -> None:
    """Sessions belong to a user id, and a key may have the master key's. Raises NotAllowed for such a key,
    where its role does not show it everybody's."""
    if ctx.call.caller.has_masters_name and not ctx.call.scope.everything:
        raise NotAllowed(MASTERS)


async def _end(request: SessionsEndRequest, ctx: PeopleContext) -> SessionsEnded:
    refuse_undeclared(request)
    _check_owner(ctx)
    everything, own = ctx.call.scope.everything, ctx.call.caller.user_id
    if request.everybody and not everything:
        raise NotAllowed("everybody: only a proxy_admin may end everybody's sessions.", param="everybody")
    user_id: str | None = own
    if request.user_id is not None:
        user_id = request.user_id
    elif request.everybody or (request.session_id is not None and everything):
        user_id = None
    if user_id != own and not everything:
        raise NotFound("There is no such session.", param="user_id")
    ended = await ctx.sessions.revoke(user_id, request.session_id, call=ctx.call)
    if request.session_id is not None and not ended:
        raise NotFound("There is no such session.", param="session_id")
    return SessionsEnded(ended=ended)
