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
    role_source = Text(null=True, default=None)
    """Who gave the role: `sql`, `api`, `scim`, `claim` or `default`. A trigger writes it."""
    claimed_role = Text(null=True, default=None)
    """The role that the last sign-in claimed, where it is another one than the user has."""
    pending = Boolean(default=False)
    """Whether the user waits for an admin to give a role."""
    deactivated = Boolean(default=False)
    """Whether the directory says by SCIM that the user has left."""
    external_id = Text(null=True, default=None)
    """The directory's id of the user (SCIM's `externalId`). `directory` is the user as SCIM told it."""
    directory = JSONB(default="{}")
