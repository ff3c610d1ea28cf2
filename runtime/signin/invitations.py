"""Invitations to set a password, and changes of passwords. Implements `functions.ports.signin.Passwords`."""

import uuid
from datetime import UTC, datetime, timedelta

from functions.contract.call import Call
from functions.contract.roles import Reach, Scope
from functions.contract.visit import Visit
from runtime.governance.user_store import UserStore
from runtime.postgres.row_codec import RowCodec
from runtime.signin.barred import is_barred
from runtime.signin.digests import digest_of, is_secret, new_secret
from runtime.signin.passwords import PasswordStore, check_password
from runtime.signin.people import call_of
from runtime.signin.site import check_usable
from runtime.signin.throttle import Throttle
from schema.errors.callers import SignInFailed
from schema.errors.rows import NotFound
from schema.invitations import InvitationRecord
from schema.tables import naive
from schema.tables.sign_in import InvitationLink, Password
from schema.tables.users import User
from schema.users import UserRecord

VALID_FOR = timedelta(days=7)
OVER = (
    "This invitation has been used, was withdrawn, or is older than seven days. Ask an admin for another one."
)
CHANGE = "password"
EVERYTHING = Scope(reaches=frozenset({Reach.ALL}))


class Invitations:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, users: UserStore, passwords: PasswordStore, throttle: Throttle) -> None:
        self._users = users
        self._passwords = passwords
        self._throttle = throttle
        self._codec = RowCodec(InvitationLink, InvitationRecord)

    async def invite(self, user_id: str, *, call: Call) -> tuple[InvitationRecord, str]:
        """See Passwords."""
        now, secret, by = datetime.now(UTC), new_secret(), call.caller.user_id
        record = InvitationRecord(
            id=str(uuid.uuid4()),
            user_id=user_id,
            is_accepted=False,
            expires_at=now + VALID_FOR,
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
        )
        async with self._users.changing(call):
            user = await self._users.locked(user_id, call=call)
            if user is None or not await _may_come(user):
                raise NotFound("There is no such user that may sign in.", param="user_id")
            await self._close(user_id)
            values = self._codec.encode({name: getattr(record, name) for name in self._codec.columns})
            row = InvitationLink(**values, secret_hash=digest_of(secret))  # type: ignore[arg-type]  # names
            await InvitationLink.insert(row)
        return record, secret

    async def invitation(self, id: str) -> InvitationRecord | None:
        """See Passwords."""
        async with self._users.database.transaction():
            row = await InvitationLink.select().where(InvitationLink.id == id).first()
        return None if row is None else self._codec.decode(row)

    async def invited(self, secret: str) -> UserRecord | None:
        """See Passwords."""
        async with self._users.database.transaction():
            row = await self._open(secret, locks=False)
            if row is None:
                return None
            return await self._user(row.user_id)

    async def extend(self, id: str, *, accepted: bool, call: Call) -> InvitationRecord | None:
        """See Passwords."""
        now = datetime.now(UTC)
        async with self._users.changing(call):
            rows = await InvitationLink.select().where(InvitationLink.id == id).lock_rows("UPDATE")
            if not rows:
                return None
            values: dict[str, object] = {"updated_at": naive(now), "updated_by": call.caller.user_id}
            if accepted:
                values |= {"is_accepted": True, "accepted_at": naive(now), "secret_hash": ""}
            elif not rows[0]["is_accepted"]:
                values["expires_at"] = naive(now + VALID_FOR)
            await InvitationLink.update(values).where(InvitationLink.id == id)  # type: ignore[arg-type]
            row = await InvitationLink.select().where(InvitationLink.id == id).first()
        return None if row is None else self._codec.decode(row)

    async def withdraw(self, id: str, *, call: Call) -> InvitationRecord | None:
        """See Passwords."""
        async with self._users.changing(call):
            rows = (
                await InvitationLink.delete()
                .where(InvitationLink.id == id)
                .returning(*InvitationLink.all_columns())
            )
        return self._codec.decode(rows[0]) if rows else None

    async def accept(self, secret: str, password: str, visit: Visit) -> UserRecord:
        """See Passwords. The password is hashed before rows are locked."""
        check_usable(visit)
        user = await self.invited(secret)
        if user is None:
            raise SignInFailed(OVER)
        check_password(password, user.user_email, user.user_alias, user.user_id)
        hashed, now = await self._passwords.hashed(password), naive(datetime.now(UTC))
        async with self._users.changing(call_of(visit, user.user_id), "password_set"):
            row = await self._open(secret, locks=True)
            if row is None:
                raise SignInFailed(OVER)
            accepted = {"is_accepted": True, "accepted_at": now, "updated_at": now, "secret_hash": ""}
            await InvitationLink.update(accepted).where(InvitationLink.id == row.id)  # type: ignore[arg-type]
            await Password.delete().where(Password.user_id == row.user_id)
            await Password.insert(Password(user_id=row.user_id, hash=hashed, changed_at=datetime.now(UTC)))
        return user

    async def change(self, user_id: str, before: str, after: str, visit: Visit) -> None:
        """See Passwords."""
        await self._throttle.begin(CHANGE, user_id, visit)
        if not await self._passwords.is_right(user_id, before):
            await self._throttle.failed(CHANGE, user_id, visit)
            raise SignInFailed(
                "current_password: it is wrong, or this account has none.", param="current_password"
            )
        await self._throttle.succeeded(CHANGE, user_id, visit)
        async with self._users.database.transaction():
            user = await self._user(user_id)
        check_password(after, user_id, user.user_email if user else None, user.user_alias if user else None)
        await self._passwords.set(user_id, after)

    async def remove(self, user_id: str, *, call: Call) -> bool:
        """See Passwords."""
        return await self._passwords.remove(user_id)

    async def _open(self, secret: str, *, locks: bool) -> InvitationRecord | None:
        """The invitation whose link holds this, while it counts."""
        if not is_secret(secret):
            return None
        query = InvitationLink.select().where(
            (InvitationLink.secret_hash == digest_of(secret))
            & (InvitationLink.is_accepted.eq(False))
            & (InvitationLink.expires_at > naive(datetime.now(UTC)))
        )
        rows = await (query.lock_rows("UPDATE") if locks else query)
        return self._codec.decode(rows[0]) if rows else None

    async def _user(self, user_id: str) -> UserRecord | None:
        row = await User.select(*self._users.codec.columns.values()).where(User.user_id == user_id).first()
        found = None if row is None else self._users.codec.decode(row)
        return found if found is not None and await _may_come(found) else None

    async def _close(self, user_id: str) -> None:
        """Let no older link of a user count any more."""
        older = InvitationLink.update({InvitationLink.secret_hash: ""})
        await older.where((InvitationLink.user_id == user_id) & (InvitationLink.secret_hash != ""))


async def _may_come(user: UserRecord) -> bool:
    barred = user.blocked or user.deactivated
    return not (barred or await is_barred(user_id=user.user_id, email=user.user_email))
