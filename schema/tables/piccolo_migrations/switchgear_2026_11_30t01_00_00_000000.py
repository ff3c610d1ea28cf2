"""Signing in: sessions, sign-ins under way, passwords, invitations, the settings of providers; and where the
role of a user comes from."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import (
    BLANK,
    BYTES,
    FLAG,
    KEY,
    MOMENT,
    OBJECT,
    OPTIONAL,
    OPTIONAL_MOMENT,
    OPTIONAL_TIME,
    TEXT,
    TIME,
    UNIQUE_TEXT,
    WHOLE,
    Spec,
    add_columns,
)

ID = "2026-11-30T01:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "signing in: sessions, passwords, invitations, providers"

STAMPS = {"created_at": TIME, "created_by": OPTIONAL, "updated_at": TIME, "updated_by": OPTIONAL}

TABLES: tuple[tuple[str, str, dict[str, Spec]], ...] = (
    (
        "Session",
        "Switchgear_Session",
        {
            "session_hash": KEY,
            "session_id": UNIQUE_TEXT,
            "user_id": TEXT,
            "method": TEXT,
            "provider": BLANK,
            "address": OPTIONAL,
            "user_agent": OPTIONAL,
            "idle_s": WHOLE,
            "created_at": MOMENT,
            "seen_at": MOMENT,
            "expires_at": MOMENT,
        },
    ),
    (
        "SignInUnderWay",
        "Switchgear_SignIn",
        {
            "state_hash": KEY,
            "browser_hash": TEXT,
            "provider": TEXT,
            "nonce": TEXT,
            "verifier": TEXT,
            "return_to": BLANK,
            "purpose": (TEXT[0], {"default": "sign_in"}),
            "address": OPTIONAL,
            "created_at": MOMENT,
            "expires_at": MOMENT,
        },
    ),
    (
        "ThrottleCount",
        "Switchgear_Throttle",
        {"bucket": KEY, "failures": WHOLE, "since": MOMENT, "until": OPTIONAL_MOMENT},
    ),
    ("Password", "Switchgear_Password", {"user_id": KEY, "hash": TEXT, "changed_at": MOMENT}),
    (
        "InvitationLink",
        "LiteLLM_InvitationLink",
        {
            "id": KEY,
            "user_id": TEXT,
            "is_accepted": FLAG,
            "accepted_at": OPTIONAL_TIME,
            "expires_at": TIME,
            "secret_hash": BLANK,
            **STAMPS,
        },
    ),
    ("SsoConfig", "LiteLLM_SSOConfig", {"id": KEY, "sso_settings": OBJECT, **STAMPS}),
    (
        "SignInSecret",
        "Switchgear_SignInSecret",
        {"name": KEY, "salt_id": TEXT, "sealed": BYTES, "changed_at": MOMENT},
    ),
)

USER = {
    "role_source": OPTIONAL,
    "claimed_role": OPTIONAL,
    "pending": FLAG,
    "deactivated": FLAG,
    "external_id": OPTIONAL,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    for class_name, tablename, columns in TABLES:
        manager.add_table(class_name=class_name, tablename=tablename)
        add_columns(manager, class_name, tablename, columns)
    add_columns(manager, "User", "LiteLLM_UserTable", USER)
    add_columns(manager, "Team", "LiteLLM_TeamTable", {"external_id": OPTIONAL})
    add_columns(manager, "DeletedTeam", "LiteLLM_DeletedTeamTable", {"external_id": OPTIONAL})
    add_columns(manager, "TeamMembership", "LiteLLM_TeamMembership", {"source": OPTIONAL})
    return manager
