"""Budgets that several things may name, and the people who call through somebody's key."""

from decimal import Decimal

from piccolo.columns import Array, Boolean, Numeric, Text
from piccolo.table import Table

from schema.tables.columns import LimitColumns, StampColumns


class Budget(LimitColumns, StampColumns, Table, tablename="LiteLLM_BudgetTable"):
    """Limits by name: each thing that names them has them for itself."""

    budget_id = Text(primary_key=True, default=None)


class Customer(StampColumns, Table, tablename="LiteLLM_EndUserTable"):
    """An end user: the `user` of a request's body."""

    user_id = Text(primary_key=True, default=None)
    alias = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    default_model = Text(null=True, default=None)
    models = Array(base_column=Text(), default=list)
    budget_id = Text(null=True, default=None)
    blocked = Boolean(default=False)


class Tag(StampColumns, Table, tablename="LiteLLM_TagTable"):
    """A tag of requests that somebody entered, with a budget."""

    tag_name = Text(primary_key=True, default=None)
    description = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    budget_id = Text(null=True, default=None)


class AccessGroup(StampColumns, Table, tablename="LiteLLM_AccessGroupTable"):
    """Models under one name, for keys and teams that list it in `models` or `access_group_ids`."""

    access_group_id = Text(primary_key=True, default=None)
    access_group_name = Text(default=None, unique=True)
    description = Text(null=True, default=None)
    access_model_names = Array(base_column=Text(), default=list)
