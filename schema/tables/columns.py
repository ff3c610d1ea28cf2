"""Columns that several tables have alike."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, BigInt, Boolean, Integer, Numeric, Text, Timestamp


class LimitColumns:
    """What something may spend and use. Null: no limit. Dollars are exact; `budget_duration` is
    LiteLLM's (`30d`), null for a budget that never resets; the two JSON columns are
    `{model: {"budget_limit", "time_period"}}` and `[{"budget_duration", "max_budget"}]`."""

    max_budget = Numeric(null=True, default=None)
    soft_budget = Numeric(null=True, default=None)
    budget_duration = Text(null=True, default=None)
    budget_reset_at = Timestamp(null=True, default=None)
    max_parallel_requests = Integer(null=True, default=None)
    tpm_limit = BigInt(null=True, default=None)
    rpm_limit = BigInt(null=True, default=None)
    tpd_limit = BigInt(null=True, default=None)
    model_max_budget = JSONB(default="{}")
    budget_limits = JSONB(default="[]")


class StampColumns:
    """When a row was made and last changed, and by whom."""

    created_at = Timestamp(default=None)
    created_by = Text(null=True, default=None)
    updated_at = Timestamp(default=None)
    updated_by = Text(null=True, default=None)


class KeyColumns(LimitColumns, StampColumns):
    """A virtual key, live or deleted. `models` empty means all; `expires` null means never. `key_id`
    stays when the key itself is replaced: by it budgets are kept."""

    key_id = Text(default="")
    key_name = Text(null=True, default=None)
    key_alias = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    expires = Timestamp(null=True, default=None)
    models = Array(base_column=Text(), default=list)
    aliases = JSONB(default="{}")
    user_id = Text(null=True, default=None)
    team_id = Text(null=True, default=None)
    organization_id = Text(null=True, default=None)
    project_id = Text(null=True, default=None)
    budget_id = Text(null=True, default=None)
    metadata = JSONB(default="{}")
    blocked = Boolean(null=True, default=None)
    key_type = Text(null=True, default=None)
    allowed_routes = Array(base_column=Text(), default=list)
    access_group_ids = Array(base_column=Text(), default=list)
    rotation_count = Integer(default=0)
    last_rotation_at = Timestamp(null=True, default=None)


class TeamColumns(LimitColumns, StampColumns):
    """A team, live or deleted. `members_with_roles` is written by a trigger from the memberships."""

    team_alias = Text(null=True, default=None)
    organization_id = Text(null=True, default=None)
    members_with_roles = JSONB(default="[]")
    metadata = JSONB(default="{}")
    spend = Numeric(default=Decimal(0))
    models = Array(base_column=Text(), default=list)
    blocked = Boolean(default=False)
    team_member_permissions = Array(base_column=Text(), default=list)
    access_group_ids = Array(base_column=Text(), default=list)
    member_budget_id = Text(null=True, default=None)
    external_id = Text(null=True, default=None)
    directory = JSONB(default="{}")
