"""Makes the users that a key or a membership names and that have no row."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from functions.contract.call import MASTER_USER_ID, SCIM_USER_ID, Call
from runtime.postgres.row_codec import RowCodec
from schema.errors.requests import InvalidRequest
from schema.tables.users import User
from schema.users import UserRecord


def check_user_id(user_id: str, call: Call) -> None:
    """Raise InvalidRequest for an id that the audit log uses itself: `sql:...` for changes by SQL, the
    directory's, and the master key's user id. The last one is allowed to a caller whose scope is
    everything."""
    is_masters = user_id == MASTER_USER_ID and not call.scope.everything
    if user_id.startswith("sql:") or user_id == SCIM_USER_ID or is_masters:
        raise InvalidRequest(f"user_id: {user_id!r} is the gateway's own word.", param="user_id")


class Newcomers:
    """Makes rows for new users. `fresh` gives the record of a new user, by its id."""

    def __init__(self, fresh: Callable[[str], UserRecord]) -> None:
        self._fresh = fresh
        self._codec = RowCodec(User, UserRecord)

    async def ensure(
        self, user_id: str, call: Call, *, email: str | None = None, identity: str | None = None
    ) -> None:
        """Make a row for a user, in the transaction under way. `identity` is what the user signs in as. A
        user that has a row stays as it is. Raises InvalidRequest for an id that no user can have."""
        check_user_id(user_id, call)
        now, by = datetime.now(UTC), call.caller.user_id
        record = msgspec.structs.replace(
            self._fresh(user_id), created_at=now, created_by=by, updated_at=now, updated_by=by
        )
        record = msgspec.structs.replace(record, user_email=email, sso_user_id=identity)
        values = self._codec.encode({name: getattr(record, name) for name in self._codec.columns})
        row = User(**values)  # type: ignore[arg-type]  # names, not columns
        await User.insert(row).on_conflict(target=User.user_id, action="DO NOTHING")
