"""The audit log: what was changed, by whom, from where."""

from functions.answers.downloads import exported
from functions.contract.function import Download, function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from functions.rules.pages import check_page, pages_of
from schema.audit import AuditExportQuery, AuditOneQuery, AuditPage, AuditQuery, AuditRecord
from schema.errors.rows import NotFound

MAX_PAGE = 1_000


@function("GET", "/audit", access=Access.AUDIT_READ)
async def audit(request: AuditQuery, ctx: ReportContext) -> AuditPage:
    """List changes by page, newest first."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    page = await ctx.audit.page(request)
    return AuditPage(
        audit_logs=page.records,
        total=page.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(page.total, request.page_size),
    )


@function("GET", "/audit/export", access=Access.AUDIT_READ)
async def export(request: AuditExportQuery, ctx: ReportContext) -> Download:
    """Download every change that fits the filters, oldest first, as JSON lines or CSV."""
    records = ctx.audit.everything(request)
    first = await anext(records, None)  # an error with a status is raised here, before the file begins
    return exported(first, records, kind=AuditRecord, name="audit", format=request.format)


@function("GET", "/audit/{id}", access=Access.AUDIT_READ)
async def one(request: AuditOneQuery, ctx: ReportContext) -> AuditRecord:
    """Show one change of the audit log."""
    record = await ctx.audit.find(request.id)
    if record is None:
        raise NotFound("There is no such entry in the audit log.", param="id")
    return record
