"""The first tables: users, keys, deleted keys, the spend ledger."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import JSONB, Integer, Text

from schema.tables.column_specs import (
    BLANK,
    COUNT,
    DOLLARS,
    FLAG,
    KEY,
    OBJECT,
    OPTIONAL,
    OPTIONAL_BLANK,
    OPTIONAL_COUNT,
    OPTIONAL_FLAG,
    OPTIONAL_TIME,
    TEXT,
    TEXTS,
    TIME,
    Spec,
    add_columns,
)

ID = "2026-11-24T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "users, keys, deleted keys, spend logs"

USER: dict[str, Spec] = {
    "user_id": KEY,
    "user_alias": OPTIONAL,
    "sso_user_id": (Text, {"default": None, "null": True, "unique": True}),
    "user_role": OPTIONAL,
    "user_email": OPTIONAL,
    "teams": TEXTS,
    "spend": DOLLARS,
    "metadata": OBJECT,
    "created_at": TIME,
    "updated_at": TIME,
}

LIVE_KEY: dict[str, Spec] = {
    "token": KEY,
    "key_name": OPTIONAL,
    "key_alias": OPTIONAL,
    "spend": DOLLARS,
    "expires": OPTIONAL_TIME,
    "models": TEXTS,
    "user_id": OPTIONAL,
    "team_id": OPTIONAL,
    "metadata": OBJECT,
    "blocked": OPTIONAL_FLAG,
    "created_at": TIME,
    "created_by": OPTIONAL,
    "updated_at": TIME,
    "updated_by": OPTIONAL,
}

DELETED_KEY: dict[str, Spec] = {
    "id": KEY,
    **LIVE_KEY,
    "token": TEXT,
    "deleted_at": TIME,
    "deleted_by": OPTIONAL,
    "deleted_by_api_key": OPTIONAL,
}

SPEND_LOG: dict[str, Spec] = {
    "request_id": KEY,
    "call_type": TEXT,
    "api_key": BLANK,
    "spend": DOLLARS,
    "total_tokens": COUNT,
    "prompt_tokens": COUNT,
    "completion_tokens": COUNT,
    "start_time": TIME,
    "end_time": TIME,
    "request_duration_ms": OPTIONAL_COUNT,
    "first_token_time": OPTIONAL_TIME,
    "model": BLANK,
    "model_id": OPTIONAL_BLANK,
    "model_group": OPTIONAL_BLANK,
    "custom_llm_provider": OPTIONAL_BLANK,
    "api_base": OPTIONAL_BLANK,
    "user": OPTIONAL_BLANK,
    "metadata": (JSONB, {"default": "{}", "null": True}),
    "cache_hit": OPTIONAL_BLANK,
    "request_tags": (JSONB, {"default": "[]", "null": True}),
    "team_id": OPTIONAL,
    "end_user": OPTIONAL,
    "requester_ip_address": OPTIONAL,
    "status": OPTIONAL,
    "litellm_call_id": OPTIONAL,
    "created_at": TIME,
    "updated_at": TIME,
    "key_alias": OPTIONAL,
    "user_agent": OPTIONAL,
    "outcome": TEXT,
    "http_status": (Integer, {"default": None}),
    "error_class": OPTIONAL,
    "error_message": OPTIONAL,
    "estimated": FLAG,
    "cached_tokens": COUNT,
    "cache_write_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "ttft_ms": OPTIONAL_COUNT,
    "streamed": FLAG,
    "price_source": OPTIONAL,
}

TABLES: tuple[tuple[str, str, dict[str, Spec]], ...] = (
    ("User", "LiteLLM_UserTable", USER),
    ("VerificationToken", "LiteLLM_VerificationToken", LIVE_KEY),
    ("DeletedVerificationToken", "LiteLLM_DeletedVerificationToken", DELETED_KEY),
    ("SpendLog", "LiteLLM_SpendLogs", SPEND_LOG),
)

RENAMED = {"start_time": "startTime", "end_time": "endTime", "first_token_time": "completionStartTime"}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    for class_name, tablename, columns in TABLES:
        manager.add_table(class_name=class_name, tablename=tablename)
        add_columns(manager, class_name, tablename, columns, renamed=RENAMED)
    return manager
