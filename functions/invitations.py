"""Accounts without a provider: invitations to set a password, and changes of passwords."""

from functions.contract.call import MASTER_USER_ID
from functions.contract.function import function
from functions.contract.roles import Access
from functions.contract.visit import SESSION, Redirect, WebPage, cookie_for
from functions.ports.context import PeopleContext, VisitContext
from schema.errors.callers import NotAllowed, SignInFailed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.invitations import (
    InvitationAcceptRequest,
    InvitationDeleteRequest,
    InvitationFacts,
    InvitationMade,
    InvitationNewRequest,
    InvitationPageQuery,
    InvitationQuery,
    InvitationRecord,
    InvitationUpdateRequest,
    PasswordChanged,
    PasswordChangeRequest,
    PasswordResetRequest,
)
from schema.undeclared import refuse_undeclared
from schema.users import UserRecord

NO_SUCH_INVITATION = "There is no such invitation."
OVER = (
    "This invitation has been used, was withdrawn, or is older than seven days. Ask an admin for another one."
)
OFF = (
    "Signing in with passwords is switched off here, since a provider is set up. "
    "general_settings.sso.password_login switches it on."
)
PREFIX = "session:"


@function("POST", "/invitation/new", access=Access.INVITATIONS_WRITE)
async def new(request: InvitationNewRequest, ctx: PeopleContext) -> InvitationMade:
    """Invite a user to set a password. The link in the answer counts once, for seven days, and is shown
    nowhere else. Older links of the user count no more."""
    refuse_undeclared(request)
    return await _invite(request.user_id, ctx)


@function("GET", "/invitation/info", access=Access.INVITATIONS_READ)
async def info(request: InvitationQuery, ctx: PeopleContext) -> InvitationRecord:
    """Show an invitation, without its link."""
    return _found(await ctx.passwords.invitation(request.invitation_id))


@function("POST", "/invitation/update", access=Access.INVITATIONS_WRITE)
async def update(request: InvitationUpdateRequest, ctx: PeopleContext) -> InvitationRecord:
    """Give an invitation seven more days, or close it."""
    refuse_undeclared(request)
    return _found(
        await ctx.passwords.extend(request.invitation_id, accepted=request.is_accepted, call=ctx.call)
    )


@function("POST", "/invitation/delete", access=Access.INVITATIONS_WRITE)
async def delete(request: InvitationDeleteRequest, ctx: PeopleContext) -> InvitationRecord:
    """Withdraw an invitation: its link counts no more."""
    refuse_undeclared(request)
    return _found(await ctx.passwords.withdraw(request.invitation_id, call=ctx.call))


@function("GET", "/invitation/accept", access=Access.OPEN, pages=True)
async def page(request: InvitationPageQuery, ctx: VisitContext) -> WebPage:
    """Show the page on which an invited user sets a password."""
    user = await ctx.passwords.invited(request.token)
    if user is None:
        raise SignInFailed(OVER)
    return _form(request.token, user)


@function("POST", "/invitation/accept", access=Access.OPEN, pages=True)
async def accept(request: InvitationAcceptRequest, ctx: VisitContext) -> WebPage | Redirect:
    """Set the password of an invited user, and sign the user in."""
    if not ctx.visit.is_same_origin:
        raise NotAllowed("A page of another site sent this. Nothing was done.")
    rules = (await ctx.signin.situation()).rules
    if not rules.passwords:
        raise SignInFailed(OFF)
    try:
        if request.again is not None and request.again != request.password:
            raise InvalidRequest("again: the two passwords differ.", param="again")
        user = await ctx.passwords.accept(request.token, request.password, ctx.visit)
    except InvalidRequest as error:
        invited = await ctx.passwords.invited(request.token) if ctx.visit.wants_page else None
        if invited is None:
            raise
        return _form(request.token, invited, error.message)
    secret = await ctx.sessions.begin(user.user_id, "password", ctx.visit, rules)
    return Redirect(to="/ui", cookies=(cookie_for(ctx.visit, SESSION, secret, int(rules.max_s)),))


@function("POST", "/user/password/change", access=Access.SELF_WRITE)
async def change_password(request: PasswordChangeRequest, ctx: PeopleContext) -> PasswordChanged:
    """Change one's own password. One's other sessions end."""
    refuse_undeclared(request)
    caller = ctx.call.caller
    if not caller.user_id or caller.user_id == MASTER_USER_ID:
        raise InvalidRequest("The master key and keys without a user have no password.")
    if not caller.key_hash.startswith(PREFIX):
        raise NotAllowed("A password is changed by the one who has signed in, and not with an API key.")
    await ctx.passwords.change(caller.user_id, request.current_password, request.new_password, ctx.visit)
    ended = await ctx.sessions.revoke(
        caller.user_id, None, call=ctx.call, spares=caller.key_hash.removeprefix(PREFIX)
    )
    return PasswordChanged(user_id=caller.user_id, sessions_ended=ended)


@function("POST", "/user/password/reset", access=Access.INVITATIONS_WRITE)
async def reset_password(request: PasswordResetRequest, ctx: PeopleContext) -> InvitationMade:
    """Take a user's password away, end the user's sessions, and make an invitation to set another one."""
    refuse_undeclared(request)
    made = await _invite(request.user_id, ctx)
    await ctx.passwords.remove(request.user_id, call=ctx.call)
    await ctx.sessions.revoke(request.user_id, None, call=ctx.call)
    return made


async def _invite(user_id: str, ctx: PeopleContext) -> InvitationMade:
    if not (await ctx.signin.situation()).rules.passwords:
        raise NotAllowed(OFF)
    record, secret = await ctx.passwords.invite(user_id, call=ctx.call)
    facts = {name: getattr(record, name) for name in record.__struct_fields__}
    return InvitationMade(**facts, url=f"{ctx.visit.base_url}/invitation/accept?token={secret}")


def _form(token: str, user: UserRecord, flaw: str = "") -> WebPage:
    facts = InvitationFacts(token=token, name=user.user_email or user.user_id, flaw=flaw)
    return WebPage(name="invitation", facts=facts, status=400 if flaw else 200)


def _found(record: InvitationRecord | None) -> InvitationRecord:
    if record is None:
        raise NotFound(NO_SUCH_INVITATION, param="invitation_id")
    return record
