"""The gateway's own pages for signing in and out, and `/ui`."""

import hmac
from urllib.parse import quote, urlencode

from functions.contract.call import MASTER_USER_ID
from functions.contract.function import function
from functions.contract.roles import ROLE_LABELS, Access
from functions.contract.visit import SESSION, Redirect, WebPage, cookie_for, cookie_of
from functions.ports.context import VisitContext
from functions.ports.signin import Situation
from functions.rules.sign_in_rules import HOME, return_path
from schema.errors.callers import NotAllowed, SignInFailed
from schema.errors.limits import RateLimited
from schema.identity import SignInRules
from schema.login import (
    HomeFacts,
    HomeQuery,
    LoginQuery,
    LoginRequest,
    LogoutRequest,
    ProviderChoice,
    SignedOutFacts,
    SignInFacts,
)
from schema.sessions import SessionMethod

ADMIN_NAMES = frozenset({"", "admin"})
"""The names with which the master key is a password, as in LiteLLM."""
TO_PROVIDER = "/sso/key/generate"
ELSEWHERE = "A page of another site sent this. Nothing was done."


@function("GET", "/ui", aliases=("/ui/", "/ui/{place:path}"), access=Access.OPEN, pages=True)
async def ui(request: HomeQuery, ctx: VisitContext) -> WebPage | Redirect:
    """Show the admin UI. Without a session, go to the provider at once where one is set up, else to the
    sign-in page; either one leads back to the page that was asked for."""
    secret = cookie_of(ctx.visit, SESSION)
    caller = await ctx.sessions.caller(secret) if secret else None
    if caller is not None:
        label, _ = ROLE_LABELS.get(caller.role, (caller.role, ""))
        facts = HomeFacts(name=caller.user_id, role=label, csrf=ctx.sessions.csrf(secret))
        return WebPage(name="home", facts=facts)
    back = urlencode({"return_to": here}) if (here := _place(request, ctx)) != HOME else ""
    situation = await ctx.signin.situation()
    to = TO_PROVIDER if len(situation.providers) == 1 and situation.rules.auto_redirect else "/login"
    return Redirect(to=f"{to}?{back}" if back else to)


def _place(request: HomeQuery, ctx: VisitContext) -> str:
    """The page that was asked for, with its filters, as a path of this gateway."""
    place = request.place.strip("/")
    filters = urlencode([(name, value) for name, value in ctx.visit.query.items() if name != "place"])
    path = f"{HOME}/{quote(place)}" if place else HOME
    return return_path(f"{path}?{filters}" if filters else path)


@function("GET", "/login", access=Access.OPEN, pages=True)
async def page(request: LoginQuery, ctx: VisitContext) -> WebPage:
    """Show the sign-in page."""
    facts = await _facts(ctx, return_path(request.return_to))
    return WebPage(name="sign_in", facts=_with(facts, signed_out=bool(request.signed_out)))


@function("POST", "/login", aliases=("/v2/login",), access=Access.OPEN, pages=True)
async def login(request: LoginRequest, ctx: VisitContext) -> Redirect | WebPage:
    """Sign in with a name and a password, or with the master key."""
    if not ctx.visit.is_same_origin:
        raise NotAllowed(ELSEWHERE)
    name, password = request.username.strip(), request.password
    method: SessionMethod = "password"
    try:
        if name.lower() in ADMIN_NAMES:
            await ctx.signin.check_master_key(password, ctx.visit)
            method, user_id = "master_key", MASTER_USER_ID
        else:
            user_id = await ctx.signin.password_user(name, password, ctx.visit)
    except (SignInFailed, RateLimited) as error:
        if not ctx.visit.wants_page:
            raise
        facts = await _facts(ctx, return_path(request.return_to))
        facts = _with(facts, failure=error.message, username=name[:200])
        wait_s = None if error.retry_after_s is None else int(error.retry_after_s) + 1
        return WebPage(name="sign_in", facts=facts, status=error.http_status, retry_after_s=wait_s)
    rules = (await ctx.signin.situation()).rules
    return await _let_in(user_id, method, rules, return_path(request.return_to), ctx)


async def _let_in(
    user_id: str, method: SessionMethod, rules: SignInRules, to: str, ctx: VisitContext
) -> Redirect:
    secret = await ctx.sessions.begin(user_id, method, ctx.visit, rules)
    if await ctx.sessions.caller(secret) is None:
        await ctx.sessions.end(secret, ctx.visit)
        raise SignInFailed("This account waits for an admin, or is blocked.")
    return Redirect(to=to, cookies=(cookie_for(ctx.visit, SESSION, secret, int(rules.max_s)),))


@function("POST", "/logout", aliases=("/session/logout",), access=Access.OPEN, pages=True)
async def logout(request: LogoutRequest, ctx: VisitContext) -> Redirect | WebPage:
    """Sign out: end the session here, and go on to the provider's own end where it has one."""
    secret = cookie_of(ctx.visit, SESSION)
    gone = cookie_for(ctx.visit, SESSION, "", 0)
    if not secret or await ctx.sessions.caller(secret) is None:
        return Redirect(to="/login?signed_out=1", cookies=(gone,))
    said = request.csrf or ctx.visit.csrf
    if not ctx.visit.is_same_origin or not hmac.compare_digest(
        said.encode(), ctx.sessions.csrf(secret).encode()
    ):
        raise NotAllowed(ELSEWHERE)
    ended = await ctx.sessions.end(secret, ctx.visit)
    elsewhere = None
    if ended is not None and ended.method == "sso":
        elsewhere = await ctx.signin.end_address(ended.provider, ctx.visit)
    if elsewhere is None:
        return Redirect(to="/login?signed_out=1", cookies=(gone,))
    facts = SignedOutFacts(redirect_url=elsewhere)
    return WebPage(name="signed_out", facts=facts, cookies=(gone,), then=elsewhere)


async def _facts(ctx: VisitContext, return_to: str) -> SignInFacts:
    situation = await ctx.signin.situation()
    return SignInFacts(
        providers=[*_choices(situation, return_to)],
        passwords=situation.rules.passwords,
        master_key=situation.rules.master_key,
        return_to=return_to,
        flaws=list(situation.flaws),
    )


def _choices(situation: Situation, return_to: str) -> list[ProviderChoice]:
    back = "" if return_to == HOME else f"&return_to={quote(return_to, safe='')}"
    return [
        ProviderChoice(
            label=f"Continue with {provider.label}", address=f"{TO_PROVIDER}?provider={provider.kind}{back}"
        )
        for provider in situation.providers
    ]


def _with(facts: SignInFacts, **more: object) -> SignInFacts:
    return SignInFacts(**{name: getattr(facts, name) for name in facts.__struct_fields__} | more)
