"""Reads what users and keys may do now, for whoever asks about them. Implements
`functions.ports.governance.Authorities`."""

from functions.contract.policy import Policy
from functions.ports.governance import InForceNow
from runtime.identity.authority import Authority
from runtime.identity.authority_reader import AuthorityReader
from runtime.identity.person_reader import PersonReader
from runtime.postgres.database import Database

GONE = "There is no such user or key any more."


class AuthoritiesInForce:
    """Reads each time: nothing is cached. Every method raises DatabaseUnavailable."""

    def __init__(self, policy: Policy, database: Database) -> None:
        self._keys = AuthorityReader(policy, database)
        self._people = PersonReader(policy, database)

    async def of_key(self, key_hash: str) -> InForceNow:
        return _now(await self._keys.find(key_hash))

    async def of_user(self, user_id: str, team_id: str | None) -> InForceNow:
        found = await self._people.find(user_id, team_id or "", ())
        return _now(None if found is None else found.authority)


def _now(authority: Authority | None) -> InForceNow:
    if authority is None:
        return InForceNow(caller=None, refusal=GONE)
    refusal = None if authority.refusal is None else str(authority.refusal.error())
    return InForceNow(caller=authority.caller, refusal=refusal)
