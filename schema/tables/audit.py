"""The audit log. Written by triggers alone; nobody may change or delete a row."""

from piccolo.columns import JSONB, Text, Timestamp
from piccolo.table import Table


class AuditLog(Table, tablename="LiteLLM_AuditLog"):
    """One change of one row. `changed_by` is who was authenticated; for plain SQL it is
    `sql:<database user>`. The second group of columns is ours."""

    id = Text(primary_key=True, default=None)
    updated_at = Timestamp(default=None)
    changed_by = Text(default="")
    changed_by_api_key = Text(default="")
    action = Text(default=None)
    table_name = Text(default=None)
    object_id = Text(default=None)
    before_value = JSONB(null=True, default=None)
    updated_values = JSONB(null=True, default=None)

    claimed_by = Text(null=True, default=None)
    source_address = Text(null=True, default=None)
    request_id = Text(null=True, default=None)
    database_user = Text(default=None)
