"""The tables of how deployments stand, and of health checks."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import DoublePrecision

from schema.tables.column_specs import (
    BLANK,
    COUNT,
    KEY,
    MOMENT,
    OPTIONAL,
    OPTIONAL_JSON,
    OPTIONAL_MOMENT,
    TEXT,
    Spec,
    add_columns,
)

ID = "2026-11-30T03:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "deployments: cooldowns that all workers share, health checks and their history"

STANDING: dict[str, Spec] = {
    "deployment_key": KEY,
    "deployment_id": TEXT,
    "model": TEXT,
    "model_group": BLANK,
    "cooled_until": OPTIONAL_MOMENT,
    "cooldown_level": COUNT,
    "cooldown_reason": BLANK,
    "next_check_at": OPTIONAL_MOMENT,
    "checked_at": OPTIONAL_MOMENT,
    "check_status": OPTIONAL,
    "check_error": BLANK,
    "updated_at": MOMENT,
}
CHECKS: dict[str, Spec] = {
    "health_check_id": KEY,
    "model_name": TEXT,
    "model_id": OPTIONAL,
    "status": TEXT,
    "healthy_count": COUNT,
    "unhealthy_count": COUNT,
    "error_message": OPTIONAL,
    "response_time_ms": (DoublePrecision, {"default": None, "null": True}),
    "details": OPTIONAL_JSON,
    "checked_by": OPTIONAL,
    "checked_at": MOMENT,
    "created_at": MOMENT,
    "updated_at": MOMENT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="DeploymentStanding", tablename="Switchgear_Deployment")
    add_columns(manager, "DeploymentStanding", "Switchgear_Deployment", STANDING)
    manager.add_table(class_name="HealthCheck", tablename="LiteLLM_HealthCheckTable")
    add_columns(manager, "HealthCheck", "LiteLLM_HealthCheckTable", CHECKS)
    return manager
