"""The spend ledger's table. Partitioned by month of `startTime`; see `partitions.py`."""

from decimal import Decimal

from piccolo.columns import JSONB, BigInt, Boolean, Date, Integer, Numeric, Text, Timestamp
from piccolo.table import Table


class SpendLog(Table, tablename="LiteLLM_SpendLogs"):
    """One row an upstream attempt, and one a correction of such a row. The primary key is (request_id,
    "startTime"), which Piccolo has no word for. The second group of columns is ours.

    `response_id` is the id of the answer that the client was sent. `key_id` is null where it is `api_key`
    itself. `charged` has the budgets that keep their own account and that the attempt was charged to:
    `{account: epoch}`. A correction has the original's id in `corrects`, and in `correction` what it came
    from: `manual`, `invoice` or `recost`."""

    request_id = Text(primary_key=True, default=None)
    call_type = Text(default=None)
    api_key = Text(default="")
    spend = Numeric(default=Decimal(0))
    total_tokens = BigInt(default=0)
    prompt_tokens = BigInt(default=0)
    completion_tokens = BigInt(default=0)
    start_time = Timestamp(default=None, db_column_name="startTime")
    end_time = Timestamp(default=None, db_column_name="endTime")
    request_duration_ms = BigInt(null=True, default=None)
    first_token_time = Timestamp(null=True, default=None, db_column_name="completionStartTime")
    model = Text(default="")
    model_id = Text(null=True, default="")
    model_group = Text(null=True, default="")
    custom_llm_provider = Text(null=True, default="")
    api_base = Text(null=True, default="")
    user = Text(null=True, default="")
    metadata = JSONB(null=True, default="{}")
    cache_hit = Text(null=True, default="")
    request_tags = JSONB(null=True, default="[]")
    team_id = Text(null=True, default=None)
    organization_id = Text(null=True, default=None)
    end_user = Text(null=True, default=None)
    requester_ip_address = Text(null=True, default=None)
    status = Text(null=True, default=None)
    litellm_call_id = Text(null=True, default=None)
    session_id = Text(null=True, default=None)
    created_at = Timestamp(default=None)
    updated_at = Timestamp(default=None)

    key_alias = Text(null=True, default=None)
    user_agent = Text(null=True, default=None)
    outcome = Text(default=None)
    http_status = Integer(default=None)
    error_class = Text(null=True, default=None)
    error_message = Text(null=True, default=None)
    estimated = Boolean(default=False)
    cached_tokens = BigInt(default=0)
    cache_write_tokens = BigInt(default=0)
    reasoning_tokens = BigInt(default=0)
    ttft_ms = BigInt(null=True, default=None)
    streamed = Boolean(default=False)
    price_source = Text(null=True, default=None)
    price_version = Text(null=True, default=None)
    price_effective = Date(null=True, default=None)
    service_tier = Text(default="")
    key_id = Text(null=True, default=None)
    charged = JSONB(null=True, default=None)
    corrects = Text(null=True, default=None)
    correction = Text(null=True, default=None)
    reason = Text(null=True, default=None)
    corrected_by = Text(null=True, default=None)
    response_id = Text(null=True, default=None)
    project_id = Text(null=True, default=None)
