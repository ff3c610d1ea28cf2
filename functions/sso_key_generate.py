"""The way to the provider that people sign in at."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.contract.visit import SIGN_IN, Redirect, WebPage, cookie_for
from functions.ports.context import VisitContext
from functions.rules.sign_in_rules import return_path
from schema.errors.callers import SignInFailed
from schema.sso_key_generate import SsoKeyGenerateQuery

NONE_SET_UP = "No provider is set up here, so nobody signs in at one. An admin reads docs/sso.md."


@function("GET", "/sso/key/generate", access=Access.OPEN, pages=True)
async def sso_key_generate(request: SsoKeyGenerateQuery, ctx: VisitContext) -> Redirect | WebPage:
    """Send the browser to the provider to sign in. Without `provider`, to the only one or the first one."""
    sent = await ctx.signin.send_off(
        ctx.visit,
        provider=request.provider or None,
        return_to=return_path(request.return_to),
        purpose="sign_in",
    )
    if sent is None:
        flaws = (await ctx.signin.situation()).flaws
        raise SignInFailed(" ".join(flaws) or NONE_SET_UP)
    cookie = cookie_for(ctx.visit, SIGN_IN, sent.browser, sent.kept_s)
    return Redirect(to=sent.address, cookies=(cookie,))
