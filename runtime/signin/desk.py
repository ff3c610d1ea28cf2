"""Where people sign in: puts settings, providers, users and passwords together. Implements
`functions.ports.signin.SignIn`."""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from functions.contract.visit import SIGN_IN, Visit, cookie_of
from functions.ports.signin import ProviderShown, Returned, SentOff, Situation
from functions.rules.sign_in_rules import may_come
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.signin.digests import is_secret, new_secret
from runtime.signin.flows import KEPT_S, FlowStore, UnderWay
from runtime.signin.identities import identity_of
from runtime.signin.in_force import InForce
from runtime.signin.oidc import Begun, OpenIdConnect, refused
from runtime.signin.passwords import PasswordStore
from runtime.signin.people import People
from runtime.signin.providers import IdentityProvider
from runtime.signin.site import check_usable
from runtime.signin.throttle import Throttle
from runtime.signin.trail import Trail
from schema.errors.callers import SignInFailed
from schema.errors.requests import InvalidRequest
from schema.identity import DirectoryGroup, Identity, SignInRules
from schema.secret import Secret
from schema.sso_settings import SsoPreview
from schema.users import UserRecord

CALLBACK = "/sso/callback"
LOGGED_OUT = "/login?signed_out=1"
MASTER = "master_key"
PASSWORD = "password"
WRONG = "The name or the password is wrong."
WRONG_KEY = "This is not the master key."
MAX_STATE_CHARS = 200
MAX_CODE_CHARS = 8_192
BEGIN_ANEW = (
    "This sign-in was begun in another browser, has been used, or took longer than ten minutes. Begin again "
    "at the sign-in page."
)
OTHER_DOMAIN = "Accounts of this domain may not sign in here. Use your company's account."
NOT_PROVEN = (
    "Accounts of certain domains alone may sign in here, and the provider does not say that it has verified "
    "your address. An admin reads docs/sso.md."
)


class SignInDesk:
    """Each worker has one. Every method raises DatabaseUnavailable."""

    def __init__(  # noqa: PLR0913  (it puts the parts together)
        self,
        database: Database,
        settings: InForce,
        *,
        connect: OpenIdConnect,
        people: People,
        passwords: PasswordStore,
        throttle: Throttle,
        trail: Trail,
        master_key: Secret,
    ) -> None:
        self._database = database
        self._settings = settings
        self._flows = FlowStore(database)
        self._connect = connect
        self._people = people
        self._passwords = passwords
        self._throttle = throttle
        self._trail = trail
        self._master_key = master_key

    async def situation(self) -> Situation:
        """See SignIn."""
        found, rules = await self._settings.read()
        shown = tuple(ProviderShown(kind=each.kind, label=each.label) for each in found.providers)
        return Situation(rules=rules, providers=shown, flaws=found.flaws)

    async def send_off(
        self, visit: Visit, *, provider: str | None, return_to: str, purpose: str
    ) -> SentOff | None:
        """See SignIn. A browser keeps its secret over several sign-ins, so that two tabs don't disturb each
        other."""
        check_usable(visit)
        found, rules = await self._settings.read()
        chosen = found.named(provider)
        if chosen is None:
            return None
        redirect_uri = f"{visit.base_url}{CALLBACK}"
        begun = await self._connect.begin(chosen, redirect_uri=redirect_uri, needs_groups=rules.needs_groups)
        held = cookie_of(visit, SIGN_IN)
        browser = held if is_secret(held) else new_secret()
        under_way = UnderWay(
            provider=chosen.kind,
            nonce=begun.nonce,
            verifier=begun.verifier,
            return_to=return_to,
            purpose=purpose,
        )
        await self._flows.keep(begun, under_way, browser=browser, address=visit.address)
        return SentOff(address=begun.address, browser=browser, kept_s=int(KEPT_S))

    async def take_back(self, visit: Visit, *, state: str, code: str, error: str, described: str) -> Returned:
        """See SignIn."""
        browser = cookie_of(visit, SIGN_IN)
        under_way = None
        if browser and 0 < len(state) <= MAX_STATE_CHARS:
            under_way = await self._flows.take(state, browser)
        if under_way is None:
            raise SignInFailed(BEGIN_ANEW)
        found, rules = await self._settings.read()
        provider = found.named(under_way.provider)
        if provider is None:
            raise SignInFailed("This provider was switched off in the meantime.")
        if error:
            raise refused(provider, error, described)
        if not 0 < len(code) <= MAX_CODE_CHARS:
            raise SignInFailed("The provider sent no code.")
        begun = Begun(address="", state=state, nonce=under_way.nonce, verifier=under_way.verifier)
        redirect_uri = f"{visit.base_url}{CALLBACK}"
        identity = await self._connect.finish(provider, begun, code, redirect_uri=redirect_uri, rules=rules)
        return Returned(
            identity=identity,
            provider=under_way.provider,
            purpose=under_way.purpose,
            return_to=under_way.return_to,
            rules=rules,
        )

    async def admit(self, returned: Returned, visit: Visit) -> UserRecord:
        """See SignIn."""
        if not may_come(returned.identity.own_email, returned.rules):
            raise SignInFailed(NOT_PROVEN if returned.identity.own_email is None else OTHER_DOMAIN)
        return await self._people.admit(returned.identity, returned.rules, visit)

    async def preview(self, identity: Identity, rules: SignInRules) -> SsoPreview:
        """See SignIn."""
        found = await self._people.preview(identity, rules)
        return msgspec.structs.replace(
            found, may_sign_in=found.may_sign_in and may_come(identity.own_email, rules)
        )

    async def identity_of(self, provider: str | None, claims: Mapping[str, Any]) -> Identity:
        """See SignIn."""
        found, rules = await self._settings.read()
        chosen = found.named(provider)
        if chosen is None:
            raise InvalidRequest("provider: no such provider is set up.", param="provider")
        try:
            issuer = str(claims.get("iss") or chosen.given.issuer)
            return identity_of(chosen, issuer, claims, rules, _named_groups(chosen, claims, rules))
        except SignInFailed as exc:
            raise InvalidRequest(f"claims: {exc.message}", param="claims") from exc

    async def end_address(self, provider: str, visit: Visit) -> str | None:
        """See SignIn."""
        found, _ = await self._settings.read()
        chosen = found.named(provider)
        if not provider or chosen is None:
            return None
        return await self._connect.end_address(chosen, f"{visit.base_url}{LOGGED_OUT}")

    async def password_user(self, name: str, password: str, visit: Visit) -> str:
        """See SignIn."""
        check_usable(visit)
        _, rules = await self._settings.read()
        if not rules.passwords:
            raise SignInFailed("Signing in with a password is switched off here.")
        await self._throttle.begin(PASSWORD, name, visit)
        user_id = await self._passwords.user_of(name, password)
        if user_id is None:
            await self._throttle.failed(PASSWORD, name, visit)
            raise SignInFailed(WRONG)
        await self._throttle.succeeded(PASSWORD, name, visit)
        return user_id

    async def check_master_key(self, key: str, visit: Visit) -> None:
        """See SignIn."""
        check_usable(visit)
        _, rules = await self._settings.read()
        if not rules.master_key:
            raise SignInFailed("Signing in with the master key is switched off here.")
        await self._throttle.begin(MASTER, "", visit)
        if not hmac.compare_digest(key.encode(), self._master_key.reveal().encode()):
            await self._throttle.failed(MASTER, "", visit)
            raise SignInFailed(WRONG_KEY)
        await self._throttle.succeeded(MASTER, "", visit)

    async def failed(self, visit: Visit, reason: str) -> None:
        """See SignIn."""
        if not await self._throttle.may_be_noted(visit):
            return
        with asking():
            async with self._database.connection() as connection:
                facts = {"method": "sso", "reason": reason[:500]}
                await self._trail.note(connection, "sign_in_failed", "", visit, facts)


def _named_groups(
    provider: IdentityProvider, claims: Mapping[str, Any], rules: SignInRules
) -> tuple[DirectoryGroup, ...] | None:
    """Groups that a preview gives by name, as Graph would tell them."""
    found = claims.get(rules.group_claim)
    if provider.kind != "microsoft" or not isinstance(found, list):
        return None
    return tuple(DirectoryGroup(id=str(each), name=str(each)) for each in found[:1_000])
