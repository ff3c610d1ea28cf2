"""Alerts. Ours alone."""

from piccolo.columns import BigInt, Text, Timestamptz
from piccolo.table import Table


class Alert(Table, tablename="Switchgear_Alert"):
    """What somebody should look at. Of one kind and object one at most is open (a unique index): what happens
    again meanwhile only counts. `tries` is how often its webhook was called."""

    id = Text(primary_key=True, default=None)
    kind = Text(default=None)
    object = Text(default=None)
    message = Text(default="")
    host = Text(default="")
    first_at = Timestamptz(default=None)
    last_at = Timestamptz(default=None)
    times = BigInt(default=0)
    ended_at = Timestamptz(null=True, default=None)
    told_at = Timestamptz(null=True, default=None)
    tries = BigInt(default=0)
