"""Daily sums of the ledger; the session of a row."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, COUNT, DOLLARS, KEY, OPTIONAL, TEXT, TIME, Spec, add_columns

ID = "2026-11-24T14:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "daily rollups, sessions"

KEYS: dict[str, Spec] = {
    "api_key": BLANK,
    "user_id": BLANK,
    "team_id": BLANK,
    "organization_id": BLANK,
    "model_group": BLANK,
    "model": BLANK,
    "custom_llm_provider": BLANK,
    "endpoint": BLANK,
}

SUMS: dict[str, Spec] = {
    "id": KEY,
    "date": TEXT,
    "spend": DOLLARS,
    "prompt_tokens": COUNT,
    "completion_tokens": COUNT,
    "cache_read_input_tokens": COUNT,
    "cache_creation_input_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "api_requests": COUNT,
    "successful_requests": COUNT,
    "failed_requests": COUNT,
    "refused_requests": COUNT,
    "uncertain_requests": COUNT,
    "uncertain_spend": DOLLARS,
    "total_response_time_ms": COUNT,
    "timed_requests": COUNT,
    "total_ttft_ms": COUNT,
    "ttft_requests": COUNT,
    "rate_limited_requests": COUNT,
    "created_at": TIME,
    "updated_at": TIME,
}

TABLES: tuple[tuple[str, str, dict[str, Spec]], ...] = (
    ("DailySpend", "Switchgear_DailySpend", {**SUMS, **KEYS}),
    ("DailyEndUserSpend", "Switchgear_DailyEndUserSpend", {**SUMS, **KEYS, "end_user": TEXT}),
    ("DailyTagSpend", "Switchgear_DailyTagSpend", {**SUMS, **KEYS, "tag": TEXT}),
    ("DailyEndUserTotal", "Switchgear_DailyEndUserTotal", {**SUMS, "end_user": TEXT}),
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "SpendLog", "LiteLLM_SpendLogs", {"session_id": OPTIONAL})
    for class_name, tablename, columns in TABLES:
        manager.add_table(class_name=class_name, tablename=tablename)
        add_columns(manager, class_name, tablename, columns)
    return manager
