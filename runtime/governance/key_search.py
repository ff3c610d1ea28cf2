"""The conditions of `GET /key/list`, over the keys that are there or those that were deleted."""

from datetime import datetime

from piccolo.columns.column_types import Text

from functions.contract.call import Call
from runtime.governance.tenancy import Predicate, within
from schema.dates import end_of
from schema.keys import KeyListQuery
from schema.tables import naive
from schema.tables.keys import DeletedVerificationToken, VerificationToken
from schema.tables.users import User

KeyTable = type[VerificationToken] | type[DeletedVerificationToken]


def key_conditions(query: KeyListQuery, table: KeyTable, *, now: datetime, call: Call) -> list[Predicate]:
    """What a query asks of keys. `now` is naive, in UTC. Raises InvalidRequest for a time that is none."""
    found = [
        _text(table.key_alias, query.key_alias, part=query.substring_matching),
        _equal(table.team_id, query.team_id),
        _equal(table.organization_id, query.organization_id),
        _equal(table.project_id, query.project_id),
        None if query.access_group_id is None else table.access_group_ids.any(query.access_group_id),
        _equal(table.token, query.key_hash),
        _owner(query, table, call),
        _found(query.search, table),
        _status(query.status, table, now),
        None if query.expires is None else table.expires <= naive(end_of(query.expires, param="expires")),
        _of_address(query.user_email, table, call),
    ]
    return [condition for condition in found if condition is not None]


def _equal(column: Text, value: str | None) -> Predicate | None:
    return None if value is None else column == value


def _text(column: Text, value: str | None, *, part: bool) -> Predicate | None:
    if value is None:
        return None
    return column.ilike(f"%{escaped(value)}%") if part else column == value


def _owner(query: KeyListQuery, table: KeyTable, call: Call) -> Predicate | None:
    """The condition for the keys of a user. The query can add the keys that the user made, and the keys of
    the teams that the caller is admin of."""
    if query.user_id is None:
        return None
    found = _text(table.user_id, query.user_id, part=query.substring_matching)
    assert found is not None
    if query.include_created_by_keys:
        found = found | (table.created_by == query.user_id)
    if query.include_team_keys and call.scope.teams:
        found = found | table.team_id.is_in(list(call.scope.teams))
    return found


def _of_address(part: str | None, table: KeyTable, call: Call) -> Predicate | None:
    """The condition for the keys of users whose address has this part. Only users that the caller may see are
    looked at."""
    if not part:
        return None
    users = User.select(User.user_id).where(User.user_email.ilike(f"%{escaped(part)}%"))
    scoped = within(User, call.scope)
    if scoped is None:
        return table.user_id.is_in([])
    return table.user_id.is_in(users.where(*scoped))  # type: ignore[arg-type]


def _found(search: str | None, table: KeyTable) -> Predicate | None:
    if not search:
        return None
    pattern = f"%{escaped(search)}%"
    return (table.key_alias.ilike(pattern)) | (table.token.ilike(pattern))


def _status(status: str | None, table: KeyTable, now: datetime) -> Predicate | None:
    expires, blocked = table.expires, table.blocked
    if status == "expired":
        return expires <= now
    if status == "blocked":
        return blocked == True  # noqa: E712  (a column)
    if status == "active":
        return ((expires.is_null()) | (expires > now)) & ((blocked.is_null()) | (blocked == False))  # noqa: E712
    return None


def escaped(text: str) -> str:
    """The text as a pattern of LIKE that matches only this text: a backslash stands before `%`, `_` and each
    backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
