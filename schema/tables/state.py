"""What the gateway keeps for callers, sealed: responses. Ours alone."""

from piccolo.columns import Bytea, Text, Timestamptz
from piccolo.table import Table


class StateValue(Table, tablename="Switchgear_State"):
    """One sealed value. The primary key is (owner, kind, state_id). `owner` is the `key_id` of the virtual
    key that it belongs to, or the master key's name; it is deleted with that key. `salt_id` names the salt
    key that opens it. `expires_at` is null where it stays."""

    state_id = Text(primary_key=True, default=None)
    kind = Text(default=None)
    owner = Text(default=None)
    salt_id = Text(default=None)
    sealed = Bytea(default=None)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(null=True, default=None)
