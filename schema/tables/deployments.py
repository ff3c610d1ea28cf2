"""How deployments stand, for all workers, and what health checks found. The first table is ours alone."""

from piccolo.columns import JSONB, BigInt, DoublePrecision, Text, Timestamptz
from piccolo.table import Table


class DeploymentStanding(Table, tablename="Switchgear_Deployment"):
    """A deployment that cools down, or that is checked. The key is its id and its model, parted by a line
    break: the deployments of a wildcard have one id and many models. `cooled_until` is null where it does not
    cool down. `next_check_at` is when a worker may check it next: whoever moves it ahead makes the check."""

    deployment_key = Text(primary_key=True, default=None)
    deployment_id = Text(default=None)
    model = Text(default=None)
    model_group = Text(default="")
    cooled_until = Timestamptz(null=True, default=None)
    cooldown_level = BigInt(default=0)
    cooldown_reason = Text(default="")
    next_check_at = Timestamptz(null=True, default=None)
    checked_at = Timestamptz(null=True, default=None)
    check_status = Text(null=True, default=None)
    check_error = Text(default="")
    updated_at = Timestamptz(default=None)


class HealthCheck(Table, tablename="LiteLLM_HealthCheckTable"):
    """One health check of one deployment. The columns are LiteLLM's."""

    health_check_id = Text(primary_key=True, default=None)
    model_name = Text(default=None)
    model_id = Text(null=True, default=None)
    status = Text(default=None)
    healthy_count = BigInt(default=0)
    unhealthy_count = BigInt(default=0)
    error_message = Text(null=True, default=None)
    response_time_ms = DoublePrecision(null=True, default=None)
    details = JSONB(null=True, default=None)
    checked_by = Text(null=True, default=None)
    checked_at = Timestamptz(default=None)
    created_at = Timestamptz(default=None)
    updated_at = Timestamptz(default=None)
