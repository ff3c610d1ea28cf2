"""Reads what a person or a team may do that calls without a key of its own."""

from collections.abc import Sequence

import msgspec

from functions.contract.policy import Policy
from runtime.identity import authority
from runtime.identity.token_authenticator import Person
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.signin.digests import digest_of
from runtime.signin.proofs import is_someone_else
from schema.errors.base import Told
from schema.errors.callers import SignInFailed

_FIND = """
    SELECT p.*, u.user_id, u.role_source, u.sso_user_id FROM (
        SELECT user_id, role_source, sso_user_id FROM "LiteLLM_UserTable"
        WHERE user_id = $1 OR sso_user_id = ANY ($3)
        ORDER BY (sso_user_id = ANY ($3)) IS TRUE DESC LIMIT 1
    ) u CROSS JOIN LATERAL switchgear_person(
        u.user_id, $2, 'token:' || left(
            encode(sha256(convert_to(u.user_id || ' ' || coalesce($2, ''), 'UTF8')), 'hex'), 32),
        'user:' || u.user_id, 'token') p
"""
_FIND_TEAM = "SELECT p.* FROM switchgear_person(NULL, $1, $2, $3, 'token') p"
OF_USER = ("user_id", "role_source", "sso_user_id")
OTHER = "The token names somebody who signs in at the same issuer as somebody else."
_TEAM = 'SELECT team_id FROM "LiteLLM_TeamTable" WHERE team_id = ANY ($1) OR external_id = ANY ($1)'
_ORDER = " ORDER BY array_position($1::text[], team_id) NULLS LAST LIMIT 1"


class PersonReader:
    """Implements `runtime.identity.token_authenticator.PersonFinder`."""

    def __init__(self, policy: Policy, database: Database) -> None:
        self._policy = policy
        self._database = database

    async def find(self, user_id: str, team_id: str, identities: Sequence[str]) -> Person | None:
        """What a user may do, in a team where one is named; or what a team may do. The row with one of the
        identities counts before the row with the id. None where there is no such user. Raises
        DatabaseUnavailable."""
        with asking():
            async with self._database.connection() as connection:
                if user_id:
                    row = await connection.fetchrow(_FIND, user_id, team_id or None, list(identities))
                else:
                    token = f"token:{digest_of(f' {team_id}')[:32]}"
                    row = await connection.fetchrow(_FIND_TEAM, team_id, token, f"team:{team_id}")
        if row is None:
            return None
        facts = {name: value for name, value in row.items() if name not in OF_USER}
        found = authority.authority_of(facts, self._policy)
        known = row.get("sso_user_id") or ""
        if known not in identities and any(is_someone_else(each, known) for each in identities):
            found = msgspec.structs.replace(found, caller=None, refusal=Told.of(SignInFailed(OTHER)))
        return Person(authority=found, role_source=row.get("role_source"))

    async def team_of(self, team_ids: tuple[str, ...]) -> str:
        """The first of these teams that exists, by its id or by its group's. Empty where none does."""
        with asking():
            async with self._database.connection() as connection:
                return await connection.fetchval(_TEAM + _ORDER, list(team_ids)) or ""
