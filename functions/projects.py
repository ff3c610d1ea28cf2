"""Projects: parts of a team's work. A project's budget, limits and models hold for the keys in it."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ProjectContext
from functions.rules.guardrail_names import check_guardrails
from functions.rules.row_changes import (
    flag_changes,
    list_changes,
    metadata_changes,
    of_new_row,
    own_limits,
    text_changes,
)
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import text, texts
from schema.projects import (
    ProjectDeleteRequest,
    ProjectFields,
    ProjectInfo,
    ProjectListQuery,
    ProjectNewRequest,
    ProjectQuery,
    ProjectRecord,
    ProjectUpdateRequest,
)
from schema.undeclared import refuse_undeclared

MAX_LISTED = 1_000
MAX_AT_ONCE = 500
NO_SUCH = "There is no such project."


@function("POST", "/project/new", access=Access.PROJECTS_WRITE)
async def new(request: ProjectNewRequest, ctx: ProjectContext) -> ProjectInfo:
    """Make a project of a team, with limits of its own or by the id of a budget."""
    refuse_undeclared(request)
    project_id = (
        ctx.entropy.id() if request.project_id is None else text(request.project_id, param="project_id")
    )
    changes = _changes(request, ctx)
    changes = of_new_row(changes)
    record = ProjectRecord(project_id=project_id, team_id=text(request.team_id, param="team_id"))
    record = msgspec.structs.replace(record, **changes)
    return await ctx.projects.add_with(record, _limits(request, ctx), call=ctx.call)


@function("POST", "/project/update", access=Access.PROJECTS_WRITE)
async def update(request: ProjectUpdateRequest, ctx: ProjectContext) -> ProjectInfo:
    """Change a project. A field that is absent stays as it is, and null clears it."""
    refuse_undeclared(request)
    changed = await ctx.projects.change_with(
        request.project_id, _changes(request, ctx), _limits(request, ctx), call=ctx.call
    )
    if changed is None:
        raise NotFound(NO_SUCH, param="project_id")
    return changed


@function("GET", "/project/info", access=Access.PROJECTS_READ)
async def info(request: ProjectQuery, ctx: ProjectContext) -> ProjectInfo:
    """Show a project with its budget."""
    found = await ctx.projects.details([request.project_id], call=ctx.call)
    if not found:
        raise NotFound(NO_SUCH, param="project_id")
    return found[0]


@function("GET", "/project/list", access=Access.PROJECTS_READ)
async def list_projects(request: ProjectListQuery, ctx: ProjectContext) -> list[ProjectInfo]:
    """List projects, newest first."""
    page = await ctx.projects.page({"team_id": request.team_id}, call=ctx.call, size=MAX_LISTED)
    found = await ctx.projects.details([each.project_id for each in page.records], call=ctx.call)
    by_id = {each.project_id: each for each in found}
    return [by_id[each.project_id] for each in page.records if each.project_id in by_id]


@function("DELETE", "/project/delete", access=Access.PROJECTS_WRITE)
async def delete(request: ProjectDeleteRequest, ctx: ProjectContext) -> list[ProjectRecord]:
    """Delete projects. A project that has keys can't be deleted."""
    refuse_undeclared(request)
    if not 1 <= len(request.project_ids) <= MAX_AT_ONCE:
        raise InvalidRequest(f"project_ids: expected 1 to {MAX_AT_ONCE}.", param="project_ids")
    gone = await ctx.projects.remove(texts(request.project_ids, param="project_ids"), call=ctx.call)
    if not gone:
        raise NotFound(NO_SUCH, param="project_ids")
    return gone


def _changes(request: ProjectFields, ctx: ProjectContext) -> dict[str, object]:
    changes = {
        **text_changes(request, ("project_alias", "description", "budget_id")),
        **list_changes(request, ("models",)),
        **flag_changes(request, ("blocked",)),
        **metadata_changes(request),
    }
    check_guardrails(changes, ctx.guardrails)
    return changes


def _limits(request: ProjectFields, ctx: ProjectContext) -> dict[str, object]:
    """The limits that the body gives the project itself. Raises InvalidRequest where it names one too."""
    return own_limits(request, request.budget_id, call=ctx.call, policy=ctx.policy)
