"""Reads the authority of a presented key from Postgres."""

from functions.contract.policy import Policy
from runtime.identity import authority
from runtime.postgres.database import Database
from schema.tables.authority import AuthorityView


class AuthorityReader:
    """Implements `runtime.identity.authenticator.AuthorityFinder`."""

    def __init__(self, policy: Policy, database: Database) -> None:
        self._policy = policy
        self._database = database

    async def find(self, key_hash: str) -> authority.Authority | None:
        """The authority of the key with this hash. None where no key has it. Raises DatabaseUnavailable."""
        with self._database.asking():
            row = await AuthorityView.select().where(AuthorityView.presented == key_hash).first()
        return None if row is None else authority.authority_of(row, self._policy)
