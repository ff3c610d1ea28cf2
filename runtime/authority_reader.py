"""Who a presented key is, from Postgres."""

from functions.policy import Policy
from runtime import authority
from runtime.database_errors import asking
from schema.tables.authority import Authority


class AuthorityReader:
    """Implements `runtime.auth.AuthorityFinder`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def find(self, key_hash: str) -> authority.Authority | None:
        """Raises DatabaseUnavailable."""
        with asking():
            row = await Authority.select().where(Authority.presented == key_hash).first()
        return None if row is None else authority.authority_of(row, self._policy)
