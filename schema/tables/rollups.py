"""What the ledger adds up to by UTC day. Written with each row (`runtime/books/rollups.py`), read by every
report. LiteLLM's names for them are views; see the migration of 14:00:01."""

from decimal import Decimal

from piccolo.columns import Array, BigInt, Numeric, Text, Timestamp
from piccolo.table import Table


class DimensionColumns:
    """What calls are summed by. Empty texts, never null."""

    api_key = Text(default="")
    user_id = Text(default="")
    team_id = Text(default="")
    organization_id = Text(default="")
    model_group = Text(default="")
    model = Text(default="")
    custom_llm_provider = Text(default="")
    endpoint = Text(default="")


class SumColumns:
    """`id` is a digest of the key: the texts of callers are too long together for an index. `date` is
    `YYYY-MM-DD`, as LiteLLM has it."""

    id = Text(primary_key=True, default=None)
    date = Text(default=None)
    spend = Numeric(default=Decimal(0))
    prompt_tokens = BigInt(default=0)
    completion_tokens = BigInt(default=0)
    cache_read_input_tokens = BigInt(default=0)
    cache_creation_input_tokens = BigInt(default=0)
    reasoning_tokens = BigInt(default=0)
    api_requests = BigInt(default=0)
    successful_requests = BigInt(default=0)
    failed_requests = BigInt(default=0)
    refused_requests = BigInt(default=0)
    uncertain_requests = BigInt(default=0)
    uncertain_spend = Numeric(default=Decimal(0))
    total_response_time_ms = BigInt(default=0)
    timed_requests = BigInt(default=0)
    total_ttft_ms = BigInt(default=0)
    ttft_requests = BigInt(default=0)
    rate_limited_requests = BigInt(default=0)
    cache_hit_requests = BigInt(default=0)
    cache_hit_output_tokens = BigInt(default=0)
    created_at = Timestamp(default=None)
    updated_at = Timestamp(default=None)


class DailySpend(SumColumns, DimensionColumns, Table, tablename="Switchgear_DailySpend"):
    """Everything, once."""


class DailyEndUserSpend(SumColumns, DimensionColumns, Table, tablename="Switchgear_DailyEndUserSpend"):
    """What names an end user. Apart, since end users can be as many as calls."""

    end_user = Text(default=None)


class DailyTagSpend(SumColumns, DimensionColumns, Table, tablename="Switchgear_DailyTagSpend"):
    """Once for each tag of a row: sums over several tags count a call several times."""

    tag = Text(default=None)


class DailyEndUserTotal(SumColumns, Table, tablename="Switchgear_DailyEndUserTotal"):
    """An end user's whole day."""

    end_user = Text(default=None)


class TimeColumns:
    """A histogram of how long calls took. The place of a count in an array is that of its bucket in
    `schema/ledger/histogram.py`; trailing zeros are left out."""

    id = Text(primary_key=True, default=None)
    date = Text(default=None)
    hour = Text(default="")
    """`00` to `23`. Empty: the row counts the whole day."""
    duration_counts = Array(base_column=BigInt(), default=list)
    ttft_counts = Array(base_column=BigInt(), default=list)
    created_at = Timestamp(default=None)
    updated_at = Timestamp(default=None)


class OwnerColumns:
    """Whose calls a histogram counts. Empty texts, never null."""

    api_key = Text(default="")
    user_id = Text(default="")
    team_id = Text(default="")
    organization_id = Text(default="")


class CallTimes(TimeColumns, OwnerColumns, Table, tablename="Switchgear_Latency"):
    """Every call, told apart by all that reports ask for."""

    model_group = Text(default="")
    model = Text(default="")
    custom_llm_provider = Text(default="")


class OwnerTimes(TimeColumns, OwnerColumns, Table, tablename="Switchgear_OwnerLatency"):
    """The same calls, whichever model was called."""


class ModelTimes(TimeColumns, Table, tablename="Switchgear_ModelLatency"):
    """The same calls, whoever called."""

    model_group = Text(default="")
    custom_llm_provider = Text(default="")
