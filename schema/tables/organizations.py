"""Organizations and who is in them."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, Boolean, Numeric, Text, Timestamp
from piccolo.table import Table

from schema.tables.columns import StampColumns


class Organization(StampColumns, Table, tablename="LiteLLM_OrganizationTable"):
    """Its limits are those of the budget it names."""

    organization_id = Text(primary_key=True, default=None)
    organization_alias = Text(default=None)
    budget_id = Text(default=None)
    metadata = JSONB(default="{}")
    models = Array(base_column=Text(), default=list)
    spend = Numeric(default=Decimal(0))
    blocked = Boolean(default=False)


class OrganizationMembership(Table, tablename="LiteLLM_OrganizationMembership"):
    """The primary key is (user_id, organization_id). `user_role` is org_admin, internal_user or
    internal_user_viewer."""

    user_id = Text(primary_key=True, default=None)
    organization_id = Text(default=None)
    user_role = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    budget_id = Text(null=True, default=None)
    created_at = Timestamp(default=None)
    updated_at = Timestamp(default=None)
