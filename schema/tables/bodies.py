"""What was asked and answered, where somebody switched that on. Partitioned by month as the ledger is, and
dropped with it."""

from piccolo.columns import Boolean, Text, Timestamp
from piccolo.table import Table


class Body(Table, tablename="Switchgear_Bodies"):
    """One call's request and answer: text, redacted, cut at the config's limit. The primary key is
    (request_id, "startTime"). `start_time` is when the call came in."""

    request_id = Text(primary_key=True, default=None)
    start_time = Timestamp(default=None, db_column_name="startTime")
    request = Text(null=True, default=None)
    response = Text(null=True, default=None)
    request_truncated = Boolean(default=False)
    response_truncated = Boolean(default=False)
