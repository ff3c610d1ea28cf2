"""Projects: parts of a team's work, with a budget of their own."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, Boolean, Numeric, Text
from piccolo.table import Table

from schema.tables.columns import StampColumns


class Project(StampColumns, Table, tablename="LiteLLM_ProjectTable"):
    """Its limits are those of the budget that it names. The keys of a project are keys of its team."""

    project_id = Text(primary_key=True, default=None)
    project_alias = Text(null=True, default=None)
    description = Text(null=True, default=None)
    team_id = Text(default=None)
    budget_id = Text(null=True, default=None)
    metadata = JSONB(default="{}")
    models = Array(base_column=Text(), default=list)
    spend = Numeric(default=Decimal(0))
    blocked = Boolean(default=False)
