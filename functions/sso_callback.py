"""The return of a browser from the provider: the claims become a user, and the user gets a session."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.contract.visit import SESSION, Redirect, WebPage, cookie_for
from functions.ports.context import VisitContext
from functions.ports.signin import Returned
from schema.errors.base import GatewayError
from schema.errors.callers import SignInFailed
from schema.login import MessageFacts
from schema.sso_callback import SsoCallbackQuery
from schema.sso_settings import ClaimsShown

DEBUG = "debug"


@function("GET", "/sso/callback", access=Access.OPEN, pages=True)
async def sso_callback(request: SsoCallbackQuery, ctx: VisitContext) -> Redirect | WebPage:
    """Take a browser back from the provider. It counts once, in the browser that began the sign-in, whichever
    worker takes it."""
    try:
        returned = await ctx.signin.take_back(
            ctx.visit,
            state=request.state,
            code=request.code,
            error=request.error,
            described=request.error_description,
        )
        if returned.purpose == DEBUG:
            return await _claims(returned, ctx)
        user = await ctx.signin.admit(returned, ctx.visit)
    except GatewayError as error:
        if isinstance(error, SignInFailed):
            await ctx.signin.failed(ctx.visit, error.message)
        raise
    if user.pending:
        message = "Your account was made. It waits for an admin to let you in."
        return WebPage(name="pending", facts=MessageFacts(title="Almost there", message=message), status=403)
    secret = await ctx.sessions.begin(
        user.user_id, "sso", ctx.visit, returned.rules, provider=returned.provider
    )
    cookie = cookie_for(ctx.visit, SESSION, secret, int(returned.rules.max_s))
    return Redirect(to=returned.return_to, cookies=(cookie,))


async def _claims(returned: Returned, ctx: VisitContext) -> WebPage:
    """What an admin sees of a sign-in of one's own. Nothing is changed by it."""
    identity = returned.identity
    facts = ClaimsShown(
        claims=dict(identity.claims),
        groups=None if identity.groups is None else list(identity.groups),
        preview=await ctx.signin.preview(identity, returned.rules),
    )
    return WebPage(name="claims", facts=facts)
