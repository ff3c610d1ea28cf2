"""Makes the rows of users that come with a token of another issuer."""

import uuid
from datetime import UTC, datetime, timedelta

from functions.contract.visit import Visit
from runtime.governance.addresses import free_address
from runtime.governance.newcomers import Newcomers
from runtime.governance.user_store import UserStore
from runtime.identity.token_claims import Bearer
from runtime.postgres.turns import take_turn
from runtime.signin.barred import BARRED, is_barred
from runtime.signin.people import IDENTITY_LOCK, call_of
from schema.errors.callers import SignInFailed
from schema.tables import naive
from schema.tables.audit import AuditLog
from schema.tables.users import User

OLDEST = timedelta(hours=48)
"""How old a token may be that makes a row. It bounds how much of the audit log is looked through."""
SKEW = timedelta(seconds=60)
"""How far the issuer's clock may be off."""
GONE = "The account of this token was deleted here after the token was issued. Sign in again."
TOO_OLD = "The token does not say that it was issued lately (iat), so no account is made for it."


class TokenPeople:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, users: UserStore, newcomers: Newcomers) -> None:
        self._users = users
        self._newcomers = newcomers

    async def make(self, bearer: Bearer) -> None:
        """Make the row of a user that has none, with the config's defaults and the token's identity. Raises
        SignInFailed for somebody who is kept out, or whose row was deleted since the token was issued, and
        InvalidRequest for an id that no user can have."""
        visit = Visit(request_id=str(uuid.uuid4()), received_at=datetime.now(UTC))
        call = call_of(visit, bearer.user_id)
        async with self._users.changing(call):
            for identity in bearer.identities[:1]:
                await take_turn(self._users.database, IDENTITY_LOCK, identity)
            if bearer.identities and await User.exists().where(User.sso_user_id.is_in([*bearer.identities])):
                return
            if await is_barred(user_id="", email=bearer.email, identities=bearer.identities):
                raise SignInFailed(BARRED)
            await self._check_not_gone(bearer, visit.received_at)
            email = bearer.email if bearer.has_own_email else None
            email = await free_address(self._users.database, email)
            await self._newcomers.ensure(
                bearer.user_id,
                call,
                email=email,
                identity=bearer.identities[0] if bearer.identities else None,
            )

    async def _check_not_gone(self, bearer: Bearer, now: datetime) -> None:
        """A row that was deleted does not come back with a token from before."""
        issued_at = datetime.fromtimestamp(bearer.issued_at, UTC)
        if now - issued_at > OLDEST:
            raise SignInFailed(TOO_OLD)
        deleted = AuditLog.select(AuditLog.object_id, AuditLog.before_value).where(
            AuditLog.updated_at >= naive(issued_at - SKEW),
            AuditLog.table_name == User._meta.tablename,
            AuditLog.before_value.is_not_null(),
            AuditLog.updated_values.is_null(),
        )
        for row in await deleted.output(load_json=True):
            if row["object_id"] == bearer.user_id or row["before_value"]["sso_user_id"] in bearer.identities:
                raise SignInFailed(GONE)
