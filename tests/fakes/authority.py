"""What Postgres would say of keys, in a dict."""

from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER, SERVICE_KEY
from runtime.identity.authority import Authority
from schema.errors.base import Told
from schema.errors.callers import BlockedKey
from schema.keys import KeyRecord
from schema.models import AllowedModels


class Silence:
    """Announcements that are never heard, so that every answer about a key has to be asked for again soon."""

    heard_mono = float("-inf")


def authority_for(record: KeyRecord) -> Authority:
    """What the authority view has for a key whose user and team exist and set no limits."""
    caller = Caller(
        role=INTERNAL_USER if record.user_id else SERVICE_KEY,
        key_hash=record.token,
        key_alias=record.key_alias,
        user_id=record.user_id or "",
        team_id=record.team_id,
        models=(AllowedModels("key", tuple(record.models)),) if record.models else (),
    )
    blocked = BlockedKey("Authentication Error, this API key is blocked.") if record.blocked else None
    topics = {f"key:{record.token}"}
    topics |= {f"user:{record.user_id}"} if record.user_id else set()
    topics |= {f"team:{record.team_id}"} if record.team_id else set()
    return Authority(
        caller=None if blocked else caller,
        refusal=None if blocked is None else Told.of(blocked),
        expires_at=None if record.expires is None else record.expires.timestamp(),
        topics=frozenset(topics),
    )


class FakeFinder:
    """Implements `runtime.identity.authenticator.AuthorityFinder`."""

    def __init__(self, *records: KeyRecord) -> None:
        self.records = {record.token: record for record in records}

    async def find(self, key_hash: str) -> Authority | None:
        record = self.records.get(key_hash)
        return None if record is None else authority_for(record)
