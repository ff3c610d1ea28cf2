"""The audit log: the record and its queries (LiteLLM's field names)."""

from datetime import datetime
from typing import Literal

import msgspec

from schema.fields import Json


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_AuditLog`. `changed_by` is the authenticated user, or `sql:<database user>` for plain
    SQL. `claimed_by` is the value of a `litellm-changed-by` header."""

    id: str
    updated_at: datetime
    changed_by: str
    changed_by_api_key: str
    action: str
    """`created`, `updated`, `deleted`, `blocked`, `unblocked` or `rotated`."""
    table_name: str
    object_id: str
    before_value: Json | None = None
    updated_values: Json | None = None
    claimed_by: str | None = None
    source_address: str | None = None
    request_id: str | None = None
    database_user: str


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which changes are wanted. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included."""

    changed_by: str | None = None
    changed_by_api_key: str | None = None
    action: str | None = None
    table_name: str | None = None
    object_id: str | None = None
    start_date: str | None = None
    end_date: str | None = None


class AuditQuery(AuditFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /audit. Pages count from 1."""

    page: int = 1
    page_size: int = 50
    sort_by: Literal["updated_at", "changed_by", "action", "table_name", "object_id"] = "updated_at"
    sort_order: Literal["asc", "desc"] = "desc"


class AuditExportQuery(AuditFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /audit/export: every change that fits the filter, oldest first."""

    format: Literal["jsonl", "csv"] = "jsonl"


class AuditOneQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /audit/{id}."""

    id: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    audit_logs: list[AuditRecord]
    total: int
    page: int
    page_size: int
    total_pages: int
