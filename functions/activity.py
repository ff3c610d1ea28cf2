"""Activity by day: requests, tokens, spend and failures, within the caller's reach."""

import asyncio
from collections.abc import Mapping, Sequence

from functions.answers.activity_days import KINDS, NamesById, days_of_rows, days_of_sums, totals_of
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from functions.rules.pages import check_page, pages_of
from schema.activity import (
    Activity,
    ActivityQuery,
    AggregatedQuery,
    CacheActivity,
    CustomerActivityQuery,
    CustomerAggregatedQuery,
    DailyActivity,
    DayActivity,
    DayExceptions,
    Exceptions,
    ExceptionsQuery,
    ModelActivity,
    OrganizationActivityQuery,
    OrganizationAggregatedQuery,
    TagActivityQuery,
    TagAggregatedQuery,
    TeamActivityQuery,
    TeamAggregatedQuery,
    UserActivityQuery,
    UserAggregatedQuery,
)
from schema.dates import period_days
from schema.errors.requests import InvalidRequest
from schema.ledger.sums import Dimension, Sums, SumsQuery, listed, total
from schema.reports import PeriodQuery
from schema.secret import hash_of

MAX_PAGE = 1_000
TOP_LISTED = 100
"""How many keys and users a report without pages lists: those with the most spend. LiteLLM has the same
limit."""
TOP_MODELS = 10
DEAREST = ("api_keys", "entities")
"""The parts of a day of which a report without pages lists the dearest alone."""
NO_PARTS = "none"
ACTIVE = ("api_requests", "prompt_tokens", "completion_tokens")
"""The metrics that `_active` reads."""
Where = Mapping[Dimension, tuple[str, ...]]


@function("GET", "/user/daily/activity", access=Access.SPEND_READ)
async def user(request: UserActivityQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day by user, and by model, provider, endpoint and key."""
    return await _page(request, Dimension.USER, listed("user_id", request.user_id), (), ctx)


@function("GET", "/team/daily/activity", access=Access.SPEND_READ)
async def team(request: TeamActivityQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day by team, and by model, provider, endpoint and key."""
    excluded = listed("exclude_team_ids", request.exclude_team_ids)
    return await _page(request, Dimension.TEAM, listed("team_ids", request.team_ids), excluded, ctx)


@function("GET", "/organization/daily/activity", access=Access.SPEND_READ)
async def organization(request: OrganizationActivityQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day by organization, and by model, provider, endpoint and key."""
    wanted = listed("organization_ids", request.organization_ids)
    excluded = listed("exclude_organization_ids", request.exclude_organization_ids)
    return await _page(request, Dimension.ORGANIZATION, wanted, excluded, ctx)


@function("GET", "/customer/daily/activity", aliases=("/end_user/daily/activity",), access=Access.SPEND_READ)
async def customer(request: CustomerActivityQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day by end user, and by model, provider, endpoint and key."""
    wanted = listed("end_user_ids", request.end_user_ids)
    excluded = listed("exclude_end_user_ids", request.exclude_end_user_ids)
    return await _page(request, Dimension.END_USER, wanted, excluded, ctx)


@function("GET", "/tag/daily/activity", access=Access.SPEND_READ)
async def tag(request: TagActivityQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day by request tag, and by model, provider, endpoint and key. A call counts for each of its
    tags."""
    excluded = listed("exclude_tags", request.exclude_tags)
    return await _page(request, Dimension.TAG, listed("tags", request.tags), excluded, ctx)


@function("GET", "/user/daily/activity/aggregated", access=Access.SPEND_READ)
async def user_aggregated(request: UserAggregatedQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day in one answer without pages. It lists the 100 keys and the 100 users with the most
    spend."""
    return await _aggregated(request, Dimension.USER, listed("user_id", request.user_id), ctx)


@function("GET", "/team/daily/activity/aggregated", access=Access.SPEND_READ)
async def team_aggregated(request: TeamAggregatedQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day of teams in one answer without pages. It lists the 100 keys and the 100 teams with the
    most spend."""
    return await _aggregated(request, Dimension.TEAM, listed("team_ids", request.team_ids), ctx)


@function("GET", "/organization/daily/activity/aggregated", access=Access.SPEND_READ)
async def organization_aggregated(request: OrganizationAggregatedQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day of organizations in one answer without pages. It lists the 100 keys and the 100
    organizations with the most spend."""
    wanted = listed("organization_ids", request.organization_ids)
    return await _aggregated(request, Dimension.ORGANIZATION, wanted, ctx)


@function(
    "GET",
    "/customer/daily/activity/aggregated",
    aliases=("/end_user/daily/activity/aggregated",),
    access=Access.SPEND_READ,
)
async def customer_aggregated(request: CustomerAggregatedQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day of end users in one answer without pages. It lists the 100 end users with the most
    spend, and breaks the days down by nothing else: a month can have millions of sums by end user and
    model."""
    wanted = listed("end_user_ids", request.end_user_ids)
    return await _aggregated(request, Dimension.END_USER, wanted, ctx)


@function("GET", "/tag/daily/activity/aggregated", access=Access.SPEND_READ)
async def tag_aggregated(request: TagAggregatedQuery, ctx: ReportContext) -> DailyActivity:
    """Sum up each day of request tags in one answer without pages. A call counts for each of its tags. It
    lists the 100 keys and the 100 tags with the most spend."""
    return await _aggregated(request, Dimension.TAG, listed("tags", request.tags), ctx)


@function("GET", "/global/activity", access=Access.SPEND_READ)
async def requests(request: PeriodQuery, ctx: ReportContext) -> Activity:
    """Count requests and tokens by day."""
    days = period_days(request.start_date, request.end_date)
    sums = await ctx.reports.sums(
        SumsQuery(by=((Dimension.DATE,),), days=days, only=ACTIVE), scope=ctx.call.scope
    )
    return Activity(
        daily_data=[_active(each) for each in sums],
        sum_api_requests=sum(each.metrics.api_requests for each in sums),
        sum_total_tokens=sum(each.metrics.total_tokens for each in sums),
    )


@function("GET", "/global/activity/model", access=Access.SPEND_READ)
async def models(request: PeriodQuery, ctx: ReportContext) -> list[ModelActivity]:
    """Count requests and tokens by day, for the ten models with the most requests."""
    days = period_days(request.start_date, request.end_date)
    query = SumsQuery(by=((Dimension.DATE, Dimension.MODEL_GROUP),), days=days, only=ACTIVE)
    of_models: dict[str, list[Sums]] = {}
    for each in await ctx.reports.sums(query, scope=ctx.call.scope):
        of_models.setdefault(each.of[Dimension.MODEL_GROUP], []).append(each)
    found = [
        ModelActivity(
            model=name,
            daily_data=[_active(each) for each in sums],
            sum_api_requests=sum(each.metrics.api_requests for each in sums),
            sum_total_tokens=sum(each.metrics.total_tokens for each in sums),
        )
        for name, sums in of_models.items()
    ]
    return sorted(found, key=lambda model: model.sum_api_requests, reverse=True)[:TOP_MODELS]


@function("GET", "/global/activity/exceptions", access=Access.SPEND_READ)
async def exceptions(request: ExceptionsQuery, ctx: ReportContext) -> Exceptions:
    """Count the calls of a model that were answered with 429, by day."""
    query = SumsQuery(
        by=((Dimension.DATE,),),
        days=period_days(request.start_date, request.end_date),
        where={Dimension.MODEL_GROUP: (request.model_group,)},
        only=("rate_limited_requests",),
    )
    sums = await ctx.reports.sums(query, scope=ctx.call.scope)
    return Exceptions(
        daily_data=[
            DayExceptions(
                date=each.of[Dimension.DATE], num_rate_limit_exceptions=each.metrics.rate_limited_requests
            )
            for each in sums
        ],
        sum_num_rate_limit_exceptions=sum(each.metrics.rate_limited_requests for each in sums),
    )


@function("GET", "/global/activity/cache_hits", access=Access.SPEND_READ)
async def cache_hits(request: PeriodQuery, ctx: ReportContext) -> list[CacheActivity]:
    """Count the calls of each key, endpoint and model, and those among them that a cache answered."""
    query = SumsQuery(
        by=((Dimension.API_KEY, Dimension.ENDPOINT, Dimension.MODEL_GROUP),),
        days=period_days(request.start_date, request.end_date),
        only=("api_requests", "completion_tokens", "cache_hit_requests", "cache_hit_output_tokens"),
    )
    return [
        CacheActivity(
            api_key=each.of[Dimension.API_KEY],
            call_type=each.of[Dimension.ENDPOINT],
            model=each.of[Dimension.MODEL_GROUP],
            total_rows=each.metrics.api_requests,
            cache_hit_true_rows=each.metrics.cache_hit_requests,
            cached_completion_tokens=each.metrics.cache_hit_output_tokens,
            generated_completion_tokens=each.metrics.completion_tokens - each.metrics.cache_hit_output_tokens,
        )
        for each in await ctx.reports.sums(query, scope=ctx.call.scope)
    ]


async def _aggregated(
    request: AggregatedQuery, entity: Dimension, wanted: tuple[str, ...], ctx: ReportContext
) -> DailyActivity:
    days = period_days(request.start_date, request.end_date)
    where = _where(request.model, request.api_key) | _only(entity, wanted)
    without: dict[Dimension, tuple[str, ...]] = {}
    if entity is not Dimension.USER:
        without[entity] = _nobody(entity)  # the rollup of the entity is summed, also without a filter
    parts = _parts(request.breakdown, entity)
    kinds = [(Dimension.DATE, parts[name]) for name in KINDS if name in parts]
    by: tuple[tuple[Dimension, ...], ...] = ((Dimension.DATE,), *kinds)
    dearest = SumsQuery(
        by=tuple((parts[name],) for name in DEAREST if name in parts),
        days=days,
        where=where,
        without=without,
        top=TOP_LISTED,
    )
    of_days, of_dearest = await asyncio.gather(
        ctx.reports.sums(SumsQuery(by=by, days=days, where=where, without=without), scope=ctx.call.scope),
        ctx.reports.days_of_the_dearest(dearest, scope=ctx.call.scope) if dearest.by else _nothing(),
    )
    everything = total([each.metrics for each in of_days if each.group == 0])
    sums = [*of_days, *of_dearest]
    keys, entities = await _names(ctx, sums, entity)
    return DailyActivity(
        results=days_of_sums(sums, entity, keys=keys, entities=entities),
        metadata=totals_of(everything, page=1, total_pages=1),
    )


def _parts(asked: str | None, entity: Dimension) -> dict[str, Dimension]:
    """What each day is broken down by: the names in the answer, each with its dimension. Customers are broken
    down by nothing but themselves. Raises InvalidRequest for a name that is none."""
    whole: dict[str, Dimension] = {**KINDS, "api_keys": Dimension.API_KEY, "entities": entity}
    known: dict[str, Dimension] = {"entities": entity} if entity is Dimension.END_USER else whole
    names = listed("breakdown", asked)
    for name in names:
        if name not in whole and name != NO_PARTS:
            raise InvalidRequest(
                f"breakdown: expected {', '.join(whole)} or {NO_PARTS}, found {name!r}", param="breakdown"
            )
    return {name: kind for name, kind in known.items() if name in names} if names else known


async def _nothing() -> list[Sums]:
    return []


def _nobody(entity: Dimension) -> tuple[str, ...]:
    """The id that stands for none. A row without a team or an organization has an empty text there."""
    return ("",) if entity in (Dimension.TEAM, Dimension.ORGANIZATION) else ()


async def _page(
    request: ActivityQuery,
    entity: Dimension,
    wanted: tuple[str, ...],
    excluded: tuple[str, ...],
    ctx: ReportContext,
) -> DailyActivity:
    check_page(request.page, request.page_size, most=MAX_PAGE)
    query = SumsQuery(
        by=((Dimension.DATE, Dimension.API_KEY, *KINDS.values(), entity),),
        days=period_days(request.start_date, request.end_date),
        where=_where(request.model, request.api_key) | _only(entity, wanted),
        without=_only(entity, (*excluded, *_nobody(entity))),
    )
    found = await ctx.reports.rows(query, page=request.page, size=request.page_size, scope=ctx.call.scope)
    keys, entities = await _names(ctx, found.records, entity)
    everything = total([each.metrics for each in found.records])
    return DailyActivity(
        results=days_of_rows(found.records, entity, keys=keys, entities=entities),
        metadata=totals_of(
            everything, page=request.page, total_pages=pages_of(found.total, request.page_size)
        ),
    )


async def _names(ctx: ReportContext, sums: Sequence[Sums], entity: Dimension) -> tuple[NamesById, NamesById]:
    ids = {kind: {each.of[kind] for each in sums if kind in each.of} for kind in (Dimension.API_KEY, entity)}
    return (
        await ctx.reports.names(Dimension.API_KEY, ids[Dimension.API_KEY]),
        await ctx.reports.names(entity, ids[entity]),
    )


def _active(sums: Sums) -> DayActivity:
    return DayActivity(
        date=sums.of[Dimension.DATE],
        api_requests=sums.metrics.api_requests,
        total_tokens=sums.metrics.total_tokens,
    )


def _where(model: str | None, api_key: str | None) -> dict[Dimension, tuple[str, ...]]:
    keys = tuple(hash_of(key) for key in listed("api_key", api_key))
    return _only(Dimension.MODEL, () if model is None else (model,)) | _only(Dimension.API_KEY, keys)


def _only(kind: Dimension, values: tuple[str, ...]) -> dict[Dimension, tuple[str, ...]]:
    return {kind: values} if values else {}
