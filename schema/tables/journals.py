"""How much of each worker's journal is in this database. Ours alone."""

from piccolo.columns import BigInt, Text, Timestamptz
from piccolo.table import Table


class JournalPlace(Table, tablename="Switchgear_Journal"):
    """A journal is booked up to byte `position` of `segment`: a batch that begins elsewhere is not
    applied, so that each record is booked once, however often it is read."""

    journal = Text(primary_key=True, default=None)
    host = Text(default="")
    segment = BigInt(default=0)
    position = BigInt(default=0)
    rows = BigInt(default=0)
    created_at = Timestamptz(default=None)
    booked_at = Timestamptz(default=None)
    finished_at = Timestamptz(null=True, default=None)
    """Its writer is gone, and everything in it is booked."""
