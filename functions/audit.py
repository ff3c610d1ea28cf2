"""The audit log: what was changed, by whom, from where."""

import csv
import io
from collections.abc import AsyncIterator

import msgspec

from functions.context import AuditContext
from functions.function import Download, function
from functions.roles import Access
from schema.audit import AuditExportQuery, AuditOneQuery, AuditPage, AuditQuery, AuditRecord
from schema.errors import InvalidRequest, NotFound

MAX_PAGE = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, some of them in full width as well (OWASP, "CSV
Injection")."""
MEDIA_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}


@function("GET", "/audit", access=Access.AUDIT_READ)
async def audit(request: AuditQuery, ctx: AuditContext) -> AuditPage:
    """List changes by page, newest first."""
    if not 1 <= request.page_size <= MAX_PAGE or not 1 <= request.page <= 1_000_000:
        raise InvalidRequest(f"page_size: expected 1 to {MAX_PAGE}, page: 1 or more.", param="page_size")
    page = await ctx.audit.page(request)
    return AuditPage(
        audit_logs=page.records,
        total=page.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-page.total // request.page_size),
    )


@function("GET", "/audit/export", access=Access.AUDIT_READ)
async def export(request: AuditExportQuery, ctx: AuditContext) -> Download:
    """Download every change that fits, oldest first, as JSON lines or CSV."""
    records = ctx.audit.everything(request)
    first = await anext(records, None)  # what can fail with a status does so here
    return Exported(first, records, request.format)


@function("GET", "/audit/{id}", access=Access.AUDIT_READ)
async def one(request: AuditOneQuery, ctx: AuditContext) -> AuditRecord:
    """Show one change."""
    record = await ctx.audit.find(request.id)
    if record is None:
        raise NotFound("There is no such entry in the audit log.", param="id")
    return record


class Exported(Download):
    """The log as a file, read while it is sent."""

    def __init__(self, first: AuditRecord | None, rest: AsyncIterator[AuditRecord], format: str) -> None:
        self.media_type = MEDIA_TYPES[format]
        self.filename = f"audit.{format}"
        self._first = first
        self._rest = rest
        self._write = _csv_line if format == "csv" else _json_line

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._write is _csv_line:
            yield _row(AuditRecord.__struct_fields__)
        if self._first is not None:
            yield self._write(self._first)
        async for record in self._rest:
            yield self._write(record)


def _json_line(record: AuditRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _csv_line(record: AuditRecord) -> bytes:
    return _row([_cell(value) for value in msgspec.structs.astuple(record)])


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
    text = text.strip('"') if not isinstance(value, (str, dict)) else text
    return f"'{text}" if text.startswith(FORMULA) else text


def _row(cells: tuple[str, ...] | list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
