"""Governance: teams, organizations, budgets, customers, access groups, audit, leases; limits on
users and keys."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import (
    BLANK,
    COUNT,
    DOLLARS,
    FLAG,
    KEY,
    LIST,
    MOMENT,
    OBJECT,
    OPTIONAL,
    OPTIONAL_COUNT,
    OPTIONAL_DOLLARS,
    OPTIONAL_JSON,
    OPTIONAL_MOMENT,
    OPTIONAL_TIME,
    OPTIONAL_WHOLE,
    REQUIRED_COUNT,
    TEXT,
    TEXTS,
    TIME,
    UNIQUE_TEXT,
    WHOLE,
    Spec,
    add_columns,
)

ID = "2026-11-24T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "teams, organizations, budgets, customers, access groups, audit, leases"

LIMITS: dict[str, Spec] = {
    "max_budget": OPTIONAL_DOLLARS,
    "soft_budget": OPTIONAL_DOLLARS,
    "budget_duration": OPTIONAL,
    "budget_reset_at": OPTIONAL_TIME,
    "max_parallel_requests": OPTIONAL_WHOLE,
    "tpm_limit": OPTIONAL_COUNT,
    "rpm_limit": OPTIONAL_COUNT,
    "tpd_limit": OPTIONAL_COUNT,
    "model_max_budget": OBJECT,
    "budget_limits": LIST,
}

AUTHORS: dict[str, Spec] = {"created_by": OPTIONAL, "updated_by": OPTIONAL}
STAMPS: dict[str, Spec] = {"created_at": TIME, "updated_at": TIME, **AUTHORS}

KEY_MORE: dict[str, Spec] = {
    **LIMITS,
    "key_id": BLANK,
    "aliases": OBJECT,
    "organization_id": OPTIONAL,
    "budget_id": OPTIONAL,
    "key_type": OPTIONAL,
    "allowed_routes": TEXTS,
    "access_group_ids": TEXTS,
    "rotation_count": WHOLE,
    "last_rotation_at": OPTIONAL_TIME,
}

TEAM: dict[str, Spec] = {
    **LIMITS,
    **STAMPS,
    "team_alias": OPTIONAL,
    "organization_id": OPTIONAL,
    "members_with_roles": LIST,
    "metadata": OBJECT,
    "spend": DOLLARS,
    "models": TEXTS,
    "blocked": FLAG,
    "team_member_permissions": TEXTS,
    "access_group_ids": TEXTS,
    "member_budget_id": OPTIONAL,
}

ADDED: tuple[tuple[str, str, dict[str, Spec]], ...] = (
    ("User", "LiteLLM_UserTable", {**LIMITS, **AUTHORS, "models": TEXTS, "blocked": FLAG}),
    ("VerificationToken", "LiteLLM_VerificationToken", KEY_MORE),
    ("DeletedVerificationToken", "LiteLLM_DeletedVerificationToken", KEY_MORE),
    ("SpendLog", "LiteLLM_SpendLogs", {"organization_id": OPTIONAL}),
)

MADE: tuple[tuple[str, str, dict[str, Spec]], ...] = (
    (
        "DeprecatedVerificationToken",
        "LiteLLM_DeprecatedVerificationToken",
        {"token": KEY, "active_token_id": TEXT, "revoke_at": TIME, "created_at": TIME},
    ),
    ("Team", "LiteLLM_TeamTable", {"team_id": KEY, **TEAM}),
    (
        "DeletedTeam",
        "LiteLLM_DeletedTeamTable",
        {
            "id": KEY,
            "team_id": TEXT,
            **TEAM,
            "deleted_at": TIME,
            "deleted_by": OPTIONAL,
            "deleted_by_api_key": OPTIONAL,
        },
    ),
    (
        "TeamMembership",
        "LiteLLM_TeamMembership",
        {
            "user_id": KEY,
            "team_id": TEXT,
            "role": (TEXT[0], {"default": "user"}),
            "spend": DOLLARS,
            "total_spend": DOLLARS,
            "budget_id": OPTIONAL,
            "allowed_models": TEXTS,
            "created_at": TIME,
        },
    ),
    (
        "Organization",
        "LiteLLM_OrganizationTable",
        {
            "organization_id": KEY,
            "organization_alias": TEXT,
            "budget_id": TEXT,
            "metadata": OBJECT,
            "models": TEXTS,
            "spend": DOLLARS,
            "blocked": FLAG,
            **STAMPS,
        },
    ),
    (
        "OrganizationMembership",
        "LiteLLM_OrganizationMembership",
        {
            "user_id": KEY,
            "organization_id": TEXT,
            "user_role": OPTIONAL,
            "spend": DOLLARS,
            "budget_id": OPTIONAL,
            "created_at": TIME,
            "updated_at": TIME,
        },
    ),
    ("Budget", "LiteLLM_BudgetTable", {"budget_id": KEY, **LIMITS, **STAMPS}),
    (
        "Customer",
        "LiteLLM_EndUserTable",
        {
            "user_id": KEY,
            "alias": OPTIONAL,
            "spend": DOLLARS,
            "default_model": OPTIONAL,
            "models": TEXTS,
            "budget_id": OPTIONAL,
            "blocked": FLAG,
            **STAMPS,
        },
    ),
    (
        "AccessGroup",
        "LiteLLM_AccessGroupTable",
        {
            "access_group_id": KEY,
            "access_group_name": UNIQUE_TEXT,
            "description": OPTIONAL,
            "access_model_names": TEXTS,
            **STAMPS,
        },
    ),
    (
        "AuditLog",
        "LiteLLM_AuditLog",
        {
            "id": KEY,
            "updated_at": TIME,
            "changed_by": BLANK,
            "changed_by_api_key": BLANK,
            "action": TEXT,
            "table_name": TEXT,
            "object_id": TEXT,
            "before_value": OPTIONAL_JSON,
            "updated_values": OPTIONAL_JSON,
            "claimed_by": OPTIONAL,
            "source_address": OPTIONAL,
            "request_id": OPTIONAL,
            "database_user": TEXT,
        },
    ),
    (
        "Account",
        "Switchgear_Account",
        {
            "account": KEY,
            "kind": BLANK,
            "object_id": BLANK,
            "part": BLANK,
            "duration": OPTIONAL,
            "epoch": COUNT,
            "window_start": OPTIONAL_MOMENT,
            "window_end": OPTIONAL_MOMENT,
            "leased": COUNT,
            "spent": COUNT,
        },
    ),
    (
        "Lease",
        "Switchgear_Lease",
        {"account": KEY, "epoch": REQUIRED_COUNT, "worker": TEXT, "amount": COUNT, "written_off": COUNT},
    ),
    (
        "Worker",
        "Switchgear_Worker",
        {"worker": KEY, "started_at": MOMENT, "seen_at": MOMENT, "given_up_at": OPTIONAL_MOMENT},
    ),
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    for class_name, tablename, columns in ADDED:
        add_columns(manager, class_name, tablename, columns)
    for class_name, tablename, columns in MADE:
        manager.add_table(class_name=class_name, tablename=tablename)
        add_columns(manager, class_name, tablename, columns)
    return manager
