"""Sets the counters of all keys and all teams to zero. Implements `functions.ports.spend.Counters`."""

from decimal import Decimal

from functions.contract.call import Call
from runtime.governance.key_store import KeyStore
from schema.tables.keys import VerificationToken
from schema.tables.teams import Team


class SpendCounters:
    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    async def reset(self, *, call: Call) -> None:
        """Set the counters to zero. Triggers announce the change of each row, and write it into the audit
        log."""
        nothing = Decimal(0)
        async with self._keys.changing(call, "reset"):
            await VerificationToken.update({VerificationToken.spend: nothing}).where(
                VerificationToken.spend != nothing
            )
            await Team.update({Team.spend: nothing}).where(Team.spend != nothing)
