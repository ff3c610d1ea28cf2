"""The settings of signing in: shown, changed, tried out."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.contract.visit import SIGN_IN, Redirect, cookie_for
from functions.ports.context import PeopleContext, VisitContext
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.identity import DirectoryGroup, Identity
from schema.sso_settings import (
    SsoDebugQuery,
    SsoPreview,
    SsoPreviewRequest,
    SsoReadiness,
    SsoReadinessQuery,
    SsoSettings,
    SsoSettingsQuery,
    SsoSettingsRequest,
)
from schema.undeclared import refuse_undeclared

CALLBACK = "/sso/callback"
MAX_TEXT_CHARS = 2_000
MAX_NAMES = 1_000


@function("GET", "/get/sso_settings", access=Access.SIGN_IN_READ)
async def show(request: SsoSettingsQuery, ctx: PeopleContext) -> SsoSettings:
    """Show the settings of signing in that are in force, each with where it comes from. Secrets are stars."""
    return await _shown(ctx)


@function("PATCH", "/update/sso_settings", access=Access.SIGN_IN_WRITE)
async def update(request: SsoSettingsRequest, ctx: PeopleContext) -> SsoSettings:
    """Change settings of signing in, in force at once on all workers. They count before the environment and
    the config; null hands a setting back to those."""
    refuse_undeclared(request)
    changes = {
        name: _checked(name, value)
        for name in request.__struct_fields__
        if (value := getattr(request, name)) is not msgspec.UNSET
    }
    if not changes:
        raise InvalidRequest("The body names no setting.")
    await ctx.sso.change(changes, call=ctx.call)
    return await _shown(ctx)


def _checked(name: str, value: object) -> object:
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if len(texts) > MAX_NAMES or any(not 0 < len(str(text).strip()) <= MAX_TEXT_CHARS for text in texts):
        raise InvalidRequest(f"{name}: expected 1 to {MAX_TEXT_CHARS} characters.", param=name)
    return msgspec.to_builtins(value)


async def _shown(ctx: PeopleContext) -> SsoSettings:
    found = await ctx.sso.shown()
    situation = await ctx.signin.situation()
    return SsoSettings(
        values={name: value for name, (value, _) in found.items()},
        sources={name: source for name, (_, source) in found.items()},
        providers=[provider.kind for provider in situation.providers],
        redirect_uri=f"{ctx.visit.base_url}{CALLBACK}",
        flaws=list(situation.flaws),
    )


@function("GET", "/sso/readiness", access=Access.OPEN)
async def readiness(request: SsoReadinessQuery, ctx: VisitContext) -> SsoReadiness:
    """Say whether people can sign in at a provider, and what is missing."""
    situation = await ctx.signin.situation()
    kinds = [provider.kind for provider in situation.providers]
    status = "unhealthy" if situation.flaws else "healthy" if kinds else "not_configured"
    return SsoReadiness(
        sso_configured=bool(kinds),
        status=status,  # type: ignore[arg-type]  # one of its literals
        providers=kinds,
        missing=list(situation.flaws),
    )


@function("GET", "/sso/debug/login", access=Access.SIGN_IN_READ, pages=True)
async def debug_login(request: SsoDebugQuery, ctx: PeopleContext) -> Redirect:
    """Sign in at the provider to see one's own claims, and what they would do. Nothing is changed."""
    sent = await ctx.signin.send_off(ctx.visit, provider=request.provider, return_to="/ui", purpose="debug")
    if sent is None:
        raise NotFound("No such provider is set up.", param="provider")
    return Redirect(to=sent.address, cookies=(cookie_for(ctx.visit, SIGN_IN, sent.browser, sent.kept_s),))


@function("POST", "/sso/preview", access=Access.SIGN_IN_READ)
async def preview(request: SsoPreviewRequest, ctx: PeopleContext) -> SsoPreview:
    """Say what a sign-in with these claims would do, or one of a named user. Nothing is changed."""
    refuse_undeclared(request)
    rules = (await ctx.signin.situation()).rules
    if request.user_id is None:
        identity = await ctx.signin.identity_of(request.provider, request.claims)
        return await ctx.signin.preview(identity, rules)
    user = await ctx.users.find(request.user_id, call=ctx.call)
    if user is None:
        raise NotFound("There is no such user.", param="user_id")
    if user.sso_user_id is None:
        raise NotFound("This user has not signed in at a provider yet.", param="user_id")
    identity = _as_known(user.sso_user_id, user.user_email, request)
    return await ctx.signin.preview(identity, rules)


def _as_known(key: str, email: str | None, request: SsoPreviewRequest) -> Identity:
    return Identity(
        provider="generic",
        key=key,
        email=email,
        email_is_trusted=True,
        roles=tuple(request.roles or ()),
        is_whole=request.roles is not None or request.groups is not None,
        groups=None
        if request.groups is None
        else tuple(DirectoryGroup(id=each, name=each) for each in request.groups),
    )
