"""The columns of the ledger's table, one row each: where a value comes from, and where it goes back to.

From here come the INSERT and the unnest types (`runtime/books/insert.py`), the SELECT and its decoding
(`runtime/books/stored_row.py`), and the answers and exports (`schema.spend.spend_log`).
"""

from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from schema.ledger.rows import Outcome, SpendRow, ttft_ms
from schema.ledger.spend_metadata import metadata_of
from schema.money import NANO_PER_USD, usd

CACHE_HIT = "True"
"""What the column `cache_hit` says of a call that the response cache answered."""


class SpendColumn(NamedTuple):
    """One column. Its values are those of an answer: Postgres gets a time without its zone, and JSON as
    text."""

    name: str
    """`startTime`: in Postgres, and in an answer."""
    sql_type: str
    get: Callable[[SpendRow], Any]
    """The value, from a row. (`Any`: each column has its own type, that of `sql_type`.)"""
    field: str | None = None
    """The field of SpendRow that the column is read back into; None: the column is not read."""
    null: object = None
    """What the field is where the column is null: `""`."""
    read: Callable[[Any], object] | None = None
    """The field's value, from the column's. None: it is the same."""


def _same(name: str, sql_type: str, field: str = "", *, null: object = None) -> SpendColumn:
    """A column that holds a field as it is. The field has the column's name where none is said."""
    field = field or name
    return SpendColumn(name, sql_type, attrgetter(field), field, null)


def _dollars(row: SpendRow) -> Decimal:
    return usd(row.cost_nano)


def _nano(dollars: Decimal) -> int:
    return int(dollars * NANO_PER_USD)


def _total_tokens(row: SpendRow) -> int:
    return row.prompt_tokens + row.completion_tokens


def _status(row: SpendRow) -> str:
    """LiteLLM's word."""
    return "success" if row.outcome is Outcome.OK else "failure"


def _key_id(row: SpendRow) -> str | None:
    """Null where it is the hash itself."""
    return row.key_id if row.key_id and row.key_id != row.key_hash else None


def _charged(row: SpendRow) -> dict[str, int] | None:
    """The budgets whose money stands in their own account: nothing else says that they were charged."""
    return {charge.account: charge.epoch for charge in row.charges if not charge.kind} or None


def _cache_hit(row: SpendRow) -> str:
    """LiteLLM's word."""
    return CACHE_HIT if row.cache_hit else "False"


def _is_hit(word: str) -> bool:
    return word == CACHE_HIT


COLUMNS: tuple[SpendColumn, ...] = (
    _same("request_id", "text"),
    _same("call_type", "text"),
    _same("api_key", "text", "key_hash"),
    SpendColumn("spend", "numeric", _dollars, "cost_nano", read=_nano),
    SpendColumn("total_tokens", "bigint", _total_tokens),
    _same("prompt_tokens", "bigint"),
    _same("completion_tokens", "bigint"),
    _same("startTime", "timestamp", "started_at"),
    _same("endTime", "timestamp", "ended_at"),
    _same("request_duration_ms", "bigint", "duration_ms", null=0),
    _same("completionStartTime", "timestamp", "first_token_at"),
    _same("model", "text"),
    _same("model_id", "text", null=""),
    _same("model_group", "text", null=""),
    _same("custom_llm_provider", "text", "provider", null=""),
    _same("api_base", "text", null=""),
    _same("user", "text", "user_id", null=""),
    SpendColumn("metadata", "jsonb", metadata_of),
    _same("team_id", "text"),
    _same("organization_id", "text"),
    _same("end_user", "text"),
    _same("requester_ip_address", "text", "requester_ip"),
    SpendColumn("status", "text", _status),
    SpendColumn("litellm_call_id", "text", attrgetter("call_id")),
    _same("key_alias", "text"),
    _same("user_agent", "text"),
    SpendColumn("outcome", "text", attrgetter("outcome.value"), "outcome", read=Outcome),
    _same("http_status", "integer"),
    _same("error_class", "text"),
    _same("error_message", "text"),
    _same("estimated", "boolean"),
    _same("cached_tokens", "bigint"),
    _same("cache_write_tokens", "bigint"),
    _same("reasoning_tokens", "bigint"),
    SpendColumn("ttft_ms", "bigint", ttft_ms),
    _same("streamed", "boolean"),
    _same("price_source", "text"),
    _same("price_version", "text"),
    _same("price_effective", "date"),
    _same("service_tier", "text"),
    SpendColumn("key_id", "text", _key_id),
    SpendColumn("charged", "jsonb", _charged),
    _same("request_tags", "jsonb", "tags", null=()),
    _same("session_id", "text"),
    _same("corrects", "text"),
    _same("response_id", "text"),
    _same("project_id", "text"),
    SpendColumn("cache_hit", "text", _cache_hit, "cache_hit", null=False, read=_is_hit),
)
