"""The people."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, Boolean, Numeric, Text
from piccolo.table import Table

from schema.tables.columns import LimitColumns, StampColumns


class User(LimitColumns, StampColumns, Table, tablename="LiteLLM_UserTable"):
    """`user_role` is authority: an administrator may set it by SQL and it stays. `teams` is
    written by a trigger from the memberships."""

    user_id = Text(primary_key=True, default=None)
    user_alias = Text(null=True, default=None)
    sso_user_id = Text(null=True, default=None, unique=True)
    user_role = Text(null=True, default=None)
    user_email = Text(null=True, default=None)
    teams = Array(base_column=Text(), default=list)
    spend = Numeric(default=Decimal(0))
    metadata = JSONB(default="{}")
    models = Array(base_column=Text(), default=list)
    blocked = Boolean(default=False)
