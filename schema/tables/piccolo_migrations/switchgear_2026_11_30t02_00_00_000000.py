"""Models, credentials and settings that are entered through the API."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import (
    COUNT,
    FLAG,
    KEY,
    MOMENT,
    OBJECT,
    OPTIONAL,
    TEXT,
    TIME,
    UNIQUE_TEXT,
    add_columns,
)

ID = "2026-11-30T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "registry: stored models, credentials and settings"

STAMPS = {
    "created_at": TIME,
    "created_by": OPTIONAL,
    "updated_at": TIME,
    "updated_by": OPTIONAL,
}
MODEL = {
    "model_id": KEY,
    "model_name": TEXT,
    "litellm_params": OBJECT,
    "model_info": OBJECT,
    "team_id": OPTIONAL,
    "blocked": FLAG,
    **STAMPS,
}
CREDENTIAL = {
    "credential_id": KEY,
    "credential_name": UNIQUE_TEXT,
    "credential_values": OBJECT,
    "credential_info": OBJECT,
    **STAMPS,
}
SETTING = {"param_name": KEY, "param_value": OBJECT, **STAMPS}
HOST = {
    "worker": KEY,
    "host": TEXT,
    "file_hash": TEXT,
    "flaw": OPTIONAL,
    "models": COUNT,
    "loaded_at": MOMENT,
    "seen_at": MOMENT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    for class_name, tablename, columns in (
        ("StoredModelRow", "LiteLLM_ProxyModelTable", MODEL),
        ("StoredCredentialRow", "LiteLLM_CredentialsTable", CREDENTIAL),
        ("StoredSetting", "LiteLLM_Config", SETTING),
        ("HostConfig", "Switchgear_HostConfig", HOST),
    ):
        manager.add_table(class_name=class_name, tablename=tablename)
        add_columns(manager, class_name, tablename, columns)
    return manager
