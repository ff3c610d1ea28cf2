"""Users that come to be by the way: a key or a membership names somebody who is not there."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from functions.contract.call import MASTER_USER_ID, Call
from runtime.postgres.row_codec import RowCodec
from schema.errors import InvalidRequest
from schema.tables.users import User
from schema.users import UserRecord


def check_user_id(user_id: str, call: Call) -> None:
    """The audit log's words for SQL and for the master key are nobody's id. Raises InvalidRequest."""
    if user_id.startswith("sql:") or (user_id == MASTER_USER_ID and not call.scope.everything):
        raise InvalidRequest(f"user_id: {user_id!r} is the gateway's own word.", param="user_id")


class Newcomers:
    """`fresh` says what a user of an id is given."""

    def __init__(self, fresh: Callable[[str], UserRecord]) -> None:
        self._fresh = fresh
        self._codec = RowCodec(User, UserRecord)

    async def ensure(self, user_id: str, call: Call, *, email: str | None = None) -> None:
        """A row for a user, in the transaction under way; who is there stays as it is."""
        check_user_id(user_id, call)
        now, by = datetime.now(UTC), call.caller.user_id
        record = msgspec.structs.replace(
            self._fresh(user_id), created_at=now, created_by=by, updated_at=now, updated_by=by
        )
        if email is not None:
            record = msgspec.structs.replace(record, user_email=email)
        values = self._codec.encode({name: getattr(record, name) for name in self._codec.columns})
        row = User(**values)  # type: ignore[arg-type]  # names, not columns
        await User.insert(row).on_conflict(target=User.user_id, action="DO NOTHING")
