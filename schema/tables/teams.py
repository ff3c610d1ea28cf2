"""Teams and who is in them."""

from decimal import Decimal

from piccolo.columns import Array, Numeric, Text, Timestamp
from piccolo.table import Table

from schema.tables.columns import TeamColumns


class Team(TeamColumns, Table, tablename="LiteLLM_TeamTable"):
    team_id = Text(primary_key=True, default=None)


class DeletedTeam(TeamColumns, Table, tablename="LiteLLM_DeletedTeamTable"):
    """What a team was when it was deleted, and by whom."""

    id = Text(primary_key=True, default=None)
    team_id = Text(default=None)
    deleted_at = Timestamp(default=None)
    deleted_by = Text(null=True, default=None)
    deleted_by_api_key = Text(null=True, default=None)


class TeamMembership(Table, tablename="LiteLLM_TeamMembership"):
    """A member of a team. The primary key is (user_id, team_id), which Piccolo has no word for.
    `role` is admin or user; `allowed_models` empty means the team's."""

    user_id = Text(primary_key=True, default=None)
    team_id = Text(default=None)
    role = Text(default="user")
    spend = Numeric(default=Decimal(0))
    total_spend = Numeric(default=Decimal(0))
    budget_id = Text(null=True, default=None)
    allowed_models = Array(base_column=Text(), default=list)
    created_at = Timestamp(default=None)
    source = Text(null=True, default=None)
    """What keeps the membership: `claim` or `scim`. Null where somebody made it by hand."""
