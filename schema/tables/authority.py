"""What a presented key may do, in one row: a view, so no table that migrations know."""

from piccolo.columns import JSONB, DoublePrecision, Text
from piccolo.table import Table


class AuthorityView(Table, tablename="Switchgear_Authority"):
    """By the hash of a key that may be presented: a live one, or one that was replaced and is in
    its grace until `revoke_at`. Times are seconds since 1970, the rest whole rows as JSON."""

    presented = Text(primary_key=True, default=None)
    revoke_at = DoublePrecision(null=True, default=None)
    expires = DoublePrecision(null=True, default=None)
    key = JSONB(default=None)
    user = JSONB(null=True, default=None)
    team = JSONB(null=True, default=None)
    member = JSONB(null=True, default=None)
    organization = JSONB(null=True, default=None)
    budgets = JSONB(null=True, default=None)
    teams = JSONB(null=True, default=None)
    organizations = JSONB(null=True, default=None)
    access_groups = JSONB(null=True, default=None)
