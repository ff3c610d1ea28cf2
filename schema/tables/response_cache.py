"""The answers that the response cache keeps, sealed. Ours alone."""

from piccolo.columns import BigInt, Bytea, Text, Timestamptz
from piccolo.table import Table


class CachedAnswer(Table, tablename="Switchgear_Cache"):
    """One sealed answer. `cache_key` stands for the request, and nobody without the salt key can try requests
    against it. `size` is how many bytes `sealed` has. The table is UNLOGGED: a crash of Postgres empties
    it."""

    cache_key = Text(primary_key=True, default=None)
    salt_id = Text(default=None)
    sealed = Bytea(default=None)
    size = BigInt(default=None)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)
