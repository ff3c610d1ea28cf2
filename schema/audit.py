"""The audit log: the record and its queries (LiteLLM's field names)."""

from datetime import datetime
from typing import Literal

import msgspec

from schema.governance import Json


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_AuditLog`. `changed_by` was authenticated, or is `sql:<database user>`;
    `claimed_by` is what a `litellm-changed-by` header said."""

    id: str
    updated_at: datetime
    changed_by: str
    changed_by_api_key: str
    action: str
    """created, updated, deleted, blocked, unblocked, rotated"""
    table_name: str
    object_id: str
    before_value: Json | None = None
    updated_values: Json | None = None
    claimed_by: str | None = None
    source_address: str | None = None
    request_id: str | None = None
    database_user: str


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /audit. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included."""

    page: int = 1
    page_size: int = 50
    changed_by: str | None = None
    changed_by_api_key: str | None = None
    action: str | None = None
    table_name: str | None = None
    object_id: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    sort_order: Literal["asc", "desc"] = "desc"


class AuditExportQuery(AuditQuery, frozen=True, kw_only=True):
    """GET /audit/export: everything that the query fits, oldest first."""

    format: Literal["jsonl", "csv"] = "jsonl"


class AuditOneQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /audit/{id}."""

    id: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    audit_logs: list[AuditRecord]
    total: int
    page: int
    page_size: int
    total_pages: int
