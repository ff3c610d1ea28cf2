"""The people."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, Numeric, Text, Timestamp
from piccolo.table import Table


class User(Table, tablename="LiteLLM_UserTable"):
    """`user_role` is authority: an administrator may set it by SQL and it stays."""

    user_id = Text(primary_key=True, default=None)
    user_alias = Text(null=True, default=None)
    sso_user_id = Text(null=True, default=None, unique=True)
    user_role = Text(null=True, default=None)
    user_email = Text(null=True, default=None)
    teams = Array(base_column=Text(), default=list)
    spend = Numeric(default=Decimal(0))
    metadata = JSONB(default="{}")
    created_at = Timestamp(default=None)
    updated_at = Timestamp(default=None)
