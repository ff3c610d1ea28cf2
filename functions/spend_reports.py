"""What a key, user, team or organization cost in a period: LiteLLM's scoped reports."""

from functions.answers.key_costs import BY_KEY_AND_MODEL, COSTS, key_costs
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from schema.dates import period_days
from schema.errors.requests import InvalidRequest
from schema.ledger.sums import Dimension, SumsQuery
from schema.reports import KeyCost, PeriodQuery
from schema.secret import hash_of
from schema.spend_reports import KeyReportQuery, OrganizationReportQuery, TeamReportQuery, UserReportQuery


@function("GET", "/key/spend/report", access=Access.SPEND_READ)
async def key(request: KeyReportQuery, ctx: ReportContext) -> list[KeyCost]:
    """Sum up what a key cost in a period, by model. Without `api_key`, it is the key that is calling."""
    asked = hash_of(request.api_key) if request.api_key is not None else ctx.call.caller.key_hash
    return await _report(request, Dimension.API_KEY, asked, ctx)


@function("GET", "/user/spend/report", access=Access.SPEND_READ)
async def user(request: UserReportQuery, ctx: ReportContext) -> list[KeyCost]:
    """Sum up what a user cost in a period, by key and model. Without `internal_user_id`, it is the caller's
    user."""
    asked = _said("internal_user_id", request.internal_user_id, ctx.call.caller.user_id)
    return await _report(request, Dimension.USER, asked, ctx)


@function("GET", "/team/spend/report", access=Access.SPEND_READ)
async def team(request: TeamReportQuery, ctx: ReportContext) -> list[KeyCost]:
    """Sum up what a team cost in a period, by key and model. Without `team_id`, it is the calling key's
    team."""
    asked = _said("team_id", request.team_id, ctx.call.caller.team_id)
    return await _report(request, Dimension.TEAM, asked, ctx)


@function("GET", "/organization/spend/report", access=Access.SPEND_READ)
async def organization(request: OrganizationReportQuery, ctx: ReportContext) -> list[KeyCost]:
    """Sum up what an organization cost in a period, by key and model. Without `organization_id`, it is the
    calling key's organization."""
    asked = _said("organization_id", request.organization_id, ctx.call.caller.organization_id)
    return await _report(request, Dimension.ORGANIZATION, asked, ctx)


async def _report(request: PeriodQuery, kind: Dimension, id: str, ctx: ReportContext) -> list[KeyCost]:
    days = period_days(request.start_date, request.end_date)
    query = SumsQuery(by=(BY_KEY_AND_MODEL,), days=days, where={kind: (id,)}, only=COSTS)
    return key_costs(await ctx.reports.sums(query, scope=ctx.call.scope))


def _said(param: str, asked: str | None, own: str | None) -> str:
    found = asked or own
    if not found:
        raise InvalidRequest(f"{param}: please say whose; the calling key has none.", param=param)
    return found
