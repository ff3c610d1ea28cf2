"""Spend as a whole: charts of the last 30 days, and the report by team, customer or key. A caller sees what
is within its reach. Paths and shapes are LiteLLM's."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from functions.answers.key_costs import BY_KEY_AND_MODEL, COSTS, key_costs
from functions.contract.call import MASTER_KEY_HASH
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CorrectionContext, ReportContext
from functions.rules.pages import check_size
from schema.dates import Days, days_until, period_days
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.global_spend import (
    CustomerSpend,
    DayOfCustomers,
    DayOfTeams,
    DaySpend,
    EndUserSpend,
    EndUsersRequest,
    NamedTag,
    OfKeyQuery,
    ProviderSpend,
    ReportQuery,
    ResetRequest,
    SpendPerTag,
    SpendReset,
    TagsQuery,
    TeamsByDay,
    TeamSpend,
    TeamTotal,
    TopKey,
    TopModel,
    TotalSpend,
)
from schema.ledger.sums import Dimension, Lines, Sums, SumsQuery, listed
from schema.reports import KeyCost, PeriodQuery, Query, TopQuery
from schema.secret import hash_of
from schema.wire import to_json

DAYS = 30
TOP_TEAMS = 10
TOP = 100
MOST = 1_000
UNASSIGNED = "Unassigned"
ALL_TAGS = "all-tags"
ZERO = Decimal(0)
SPEND_AND_CALLS = ("spend", "api_requests")


@function("GET", "/global/spend", access=Access.SPEND_READ)
async def total(request: Query, ctx: ReportContext) -> TotalSpend:
    """Sum up the spend of the last 30 days."""
    (found,) = await ctx.reports.sums(
        SumsQuery(by=((),), days=_lately(ctx), only=("spend",)), scope=ctx.call.scope
    )
    return TotalSpend(spend=found.metrics.spend, max_budget=ctx.policy.budget)


@function("GET", "/global/spend/logs", access=Access.SPEND_READ)
async def logs(request: OfKeyQuery, ctx: ReportContext) -> list[DaySpend]:
    """Sum up the spend of the last 30 days by day, of all keys or of one."""
    key = None if request.api_key is None else hash_of(request.api_key)
    where = {} if key is None else {Dimension.API_KEY: (key,)}
    query = SumsQuery(by=((Dimension.DATE,),), days=_lately(ctx), where=where, only=("spend",))
    return [
        DaySpend(date=each.of[Dimension.DATE], spend=each.metrics.spend, api_key=key)
        for each in await ctx.reports.sums(query, scope=ctx.call.scope)
    ]


@function("GET", "/global/spend/keys", access=Access.SPEND_READ)
async def keys(request: TopQuery, ctx: ReportContext) -> list[TopKey]:
    """List the keys with the most spend in the last 30 days."""
    sums = await _top(ctx, Dimension.API_KEY, request.limit)
    names = await ctx.reports.names(Dimension.API_KEY, [each.of[Dimension.API_KEY] for each in sums])
    return [
        TopKey(
            api_key=key,
            key_alias=names[key].alias if key in names else None,
            key_name=names[key].key_name if key in names else None,
            total_spend=each.metrics.spend,
        )
        for each in sums
        for key in [each.of[Dimension.API_KEY]]
    ]


@function("GET", "/global/spend/models", access=Access.SPEND_READ)
async def models(request: TopQuery, ctx: ReportContext) -> list[TopModel]:
    """List the models with the most spend in the last 30 days, by the provider's names."""
    return [
        TopModel(
            model=each.of[Dimension.MODEL],
            total_spend=each.metrics.spend,
            total_tokens=each.metrics.total_tokens,
        )
        for each in await _top(ctx, Dimension.MODEL, request.limit)
    ]


@function("GET", "/global/spend/teams", access=Access.SPEND_READ)
async def teams(request: Query, ctx: ReportContext) -> TeamsByDay:
    """Sum up the spend of the last 30 days by day and team."""
    by = ((Dimension.DATE, Dimension.TEAM),)
    sums = await ctx.reports.sums(SumsQuery(by=by, days=_lately(ctx), only=("spend",)), scope=ctx.call.scope)
    called = await _team_names(ctx, (each.of[Dimension.TEAM] for each in sums), UNASSIGNED)
    days: dict[str, dict[str, Decimal]] = {}
    spent: dict[str, Decimal] = {}
    for each in sums:
        name, spend = called[each.of[Dimension.TEAM]], each.metrics.spend
        day = days.setdefault(each.of[Dimension.DATE], {})
        day[name] = day.get(name, ZERO) + spend
        spent[name] = spent.get(name, ZERO) + spend
    dearest = sorted(spent, key=lambda name: spent[name], reverse=True)
    return TeamsByDay(
        daily_spend=[_by_name(day, of_teams) for day, of_teams in sorted(days.items())],
        teams=dearest,
        total_spend_per_team=[
            TeamTotal(team_id=name, total_spend=spent[name]) for name in dearest[:TOP_TEAMS]
        ],
    )


@function("GET", "/global/spend/provider", access=Access.SPEND_READ)
async def provider(request: PeriodQuery, ctx: ReportContext) -> list[ProviderSpend]:
    """Sum up the spend of a period by provider, the most spend first. Calls that were refused before they had
    a provider are left out."""
    query = SumsQuery(
        by=((Dimension.PROVIDER,),),
        days=period_days(request.start_date, request.end_date),
        without={Dimension.PROVIDER: ("",)},
        only=("spend",),
        top=MOST,
    )
    return [
        ProviderSpend(provider=each.of[Dimension.PROVIDER], spend=each.metrics.spend)
        for each in await ctx.reports.sums(query, scope=ctx.call.scope)
    ]


@function("GET", "/global/spend/tags", access=Access.SPEND_READ)
async def tags(request: TagsQuery, ctx: ReportContext) -> SpendPerTag:
    """Sum up the spend of a period by request tag, the most spend first. A call counts for each of its
    tags."""
    wanted = listed("tags", request.tags)
    query = SumsQuery(
        by=((Dimension.TAG,),),
        days=period_days(request.start_date, request.end_date),
        where={Dimension.TAG: wanted} if wanted and ALL_TAGS not in wanted else {},
        only=SPEND_AND_CALLS,
        top=MOST,
    )
    return SpendPerTag(
        spend_per_tag=[
            NamedTag(
                name=each.of[Dimension.TAG], spend=each.metrics.spend, log_count=each.metrics.api_requests
            )
            for each in await ctx.reports.sums(query, scope=ctx.call.scope)
        ]
    )


@function("POST", "/global/spend/end_users", access=Access.SPEND_READ)
async def end_users(request: EndUsersRequest, ctx: ReportContext) -> list[EndUserSpend]:
    """List the 100 end users with the most spend in a period, for all keys or for one. Without dates, the
    period is the last 30 days."""
    lately = _lately(ctx)
    start, end = request.startTime, request.endTime
    query = SumsQuery(
        by=((Dimension.END_USER,),),
        days=Days(
            lately.first if start is None else _utc_day(start, "startTime"),
            lately.last if end is None else _utc_day(end, "endTime"),
        ),
        where={} if request.api_key is None else {Dimension.API_KEY: (hash_of(request.api_key),)},
        only=SPEND_AND_CALLS,
        top=TOP,
    )
    return [
        EndUserSpend(
            end_user=each.of[Dimension.END_USER],
            total_count=each.metrics.api_requests,
            total_spend=each.metrics.spend,
        )
        for each in await ctx.reports.sums(query, scope=ctx.call.scope)
    ]


@function("GET", "/global/spend/report", access=Access.SPEND_READ)
async def report(
    request: ReportQuery, ctx: ReportContext
) -> list[DayOfTeams] | list[DayOfCustomers] | list[KeyCost]:
    """Sum up the spend of a period by day and team, by day and customer, or by key. Each group is broken down
    by model and key."""
    days = period_days(request.start_date, request.end_date)
    asked = (
        (Dimension.API_KEY, request.api_key and hash_of(request.api_key)),
        (Dimension.USER, request.internal_user_id),
        (Dimension.TEAM, request.team_id),
        (Dimension.END_USER, request.customer_id),
    )
    where = {kind: (value,) for kind, value in asked if value is not None}
    scope = ctx.call.scope
    if request.group_by == "api_key" or Dimension.API_KEY in where or Dimension.USER in where:
        query = SumsQuery(by=(BY_KEY_AND_MODEL,), days=days, where=where, only=COSTS)
        return key_costs(await ctx.reports.sums(query, scope=scope))
    kind = Dimension.END_USER if request.group_by == "customer" or request.customer_id else Dimension.TEAM
    by = ((Dimension.DATE, kind),)
    groups = await ctx.reports.lines(SumsQuery(by=by, days=days, where=where), scope=scope)
    by_day: dict[str, list[Lines]] = {}
    for each in groups:
        by_day.setdefault(each.of[Dimension.DATE], []).append(each)
    if kind is Dimension.END_USER:
        return [
            DayOfCustomers(
                group_by_day=day,
                customers=[
                    CustomerSpend(customer=each.of[kind], total_spend=each.spend, metadata=each.lines)
                    for each in of_day
                ],
            )
            for day, of_day in by_day.items()
        ]
    called = await _team_names(ctx, (each.of[kind] for each in groups), f"{UNASSIGNED} Team")
    return [
        DayOfTeams(
            group_by_day=day,
            teams=[
                TeamSpend(
                    team_name=called[each.of[kind]],
                    team_id=each.of[kind],
                    total_spend=each.spend,
                    metadata=each.lines,
                )
                for each in of_day
            ],
        )
        for day, of_day in by_day.items()
    ]


@function("POST", "/global/spend/reset", access=Access.SPEND_RESET)
async def reset(request: ResetRequest, ctx: CorrectionContext) -> SpendReset:
    """Set what all keys and teams have spent of their budgets to zero. Only the master key may do this. The
    ledger and its daily sums stay."""
    if ctx.call.caller.key_hash != MASTER_KEY_HASH:
        raise NotAllowed("/global/spend/reset: only the master key may do this.")
    if request.raw:
        raise InvalidRequest(f"{min(request.raw)}: this takes nothing.", param=min(request.raw))
    await ctx.counters.reset(call=ctx.call)
    return SpendReset(message="Spend for all API Keys and Teams reset successfully", status="success")


def _by_name(day: str, of_teams: Mapping[str, Decimal]) -> dict[str, msgspec.Raw]:
    line: dict[str, str | Decimal] = {"date": day, **of_teams}
    line["date"] = day
    return {name: msgspec.Raw(to_json(value)) for name, value in line.items()}


def _utc_day(moment: datetime, param: str) -> str:
    try:
        return moment.astimezone(UTC).date().isoformat()
    except OverflowError as exc:  # an hour before the year 1
        raise InvalidRequest(f"{param}: expected a time of the years 1 to 9999 in UTC.", param=param) from exc


def _lately(ctx: ReportContext) -> Days:
    today: date = ctx.call.received_at.astimezone(UTC).date()
    return days_until(today, DAYS)


async def _top(ctx: ReportContext, kind: Dimension, limit: int) -> list[Sums]:
    check_size(limit, most=MOST, param="limit")
    query = SumsQuery(by=((kind,),), days=_lately(ctx), without={kind: ("",)}, only=COSTS, top=limit)
    return await ctx.reports.sums(query, scope=ctx.call.scope)


async def _team_names(ctx: ReportContext, teams: Iterable[str], nobody: str) -> dict[str, str]:
    """The name of each team, by its id. A team without a name, or one that is gone, is called by its id."""
    ids = set(teams)
    names = await ctx.reports.names(Dimension.TEAM, ids)
    return {id: (names[id].alias if id in names else None) or id or nobody for id in ids}
