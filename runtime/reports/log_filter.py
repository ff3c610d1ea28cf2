"""The filters of the log page as SQL. Each condition is written so that Postgres can use the index for it,
where there is one."""

from types import MappingProxyType

from runtime.postgres.conditions import Conditions
from schema.dates import Days, period_of
from schema.ledger.rows import EARLIER
from schema.ledger.sums import Dimension, SumsQuery
from schema.log_page import LogFilter
from schema.tables import naive

_EQUAL = (
    ("api_key", "api_key"),
    ("user_id", '"user"'),
    ("team_id", "team_id"),
    ("organization_id", "organization_id"),
    ("end_user", "end_user"),
    ("session_id", "session_id"),
    ("model", "model"),
    ("model_id", "model_id"),
    ("model_group", "model_group"),
    ("outcome", "outcome"),
)
_SUMMED = (
    ("api_key", Dimension.API_KEY),
    ("user_id", Dimension.USER),
    ("team_id", Dimension.TEAM),
    ("organization_id", Dimension.ORGANIZATION),
    ("model", Dimension.MODEL),
    ("model_group", Dimension.MODEL_GROUP),
    ("end_user", Dimension.END_USER),
)
"""The filters that the rollups have too, as a dimension."""

TAGGED = "CASE WHEN request_tags @> jsonb_build_array({}::text) THEN TRUE ELSE FALSE END"
"""The condition for a tag. Postgres expects few rows for a bare `@>`, and would read all rows of a key and
sort them. Inside CASE it does not expect that."""
_COUNTED_BY = MappingProxyType({"success": "successful_requests", "failure": "failed_requests"})
_OUTCOMES = MappingProxyType(
    {"ok": "successful_requests", "refused": "refused_requests", "uncertain": "uncertain_requests"}
)
"""The outcomes that the rollups count. Failed and cancelled calls are one measure there."""
KNOWN_AS = (
    "(request_id = {0} OR corrects IS NULL"
    " AND (response_id = {0} OR litellm_call_id = {0} AND request_id !~ {1}))"
)
"""The condition for an id that somebody has of a call: the row's, the answer's, or the client's own for the
call. `{1}` is EARLIER. A correction has the last two ids of its original, and an earlier attempt has the last
one of its call."""
FAILED = "status = 'failure'"
"""The condition for failed rows, in the same words as in the partial index."""


def add_filters(conditions: Conditions, query: LogFilter) -> None:
    """Add the conditions of a query, except for its `key_alias`. `query.api_key` is a key's hash here. Raises
    InvalidRequest for a bad date."""
    start, end = period_of(query.start_date, query.end_date)
    if start is not None:
        conditions.add('"startTime" >= {}', naive(start))
    if end is not None:
        conditions.add('"startTime" < {}', naive(end))
    for name, column in _EQUAL:
        value = getattr(query, name)
        if value is not None:
            conditions.add(f"{column} = {{}}", value)
    if query.request_id is not None:
        conditions.add(KNOWN_AS, query.request_id, EARLIER)
    if query.tag is not None:
        conditions.add(TAGGED, query.tag)
    if query.min_spend is not None:
        conditions.add("spend >= {}", query.min_spend)
    if query.max_spend is not None:
        conditions.add("spend <= {}", query.max_spend)
    if query.cache_hit_filter is not None:
        hit = query.cache_hit_filter.lower() in ("hit", "true")
        conditions.add("cache_hit = 'True'" if hit else "cache_hit IS DISTINCT FROM 'True'")
    if query.search is not None:
        text = conditions.bind(query.search)
        conditions.either(
            f"{column} = {text}" for column in ("request_id", "response_id", "litellm_call_id", "session_id")
        )
    _add_failures(conditions, query)


def _add_failures(conditions: Conditions, query: LogFilter) -> None:
    if query.status_filter == "success":
        conditions.add("status = 'success'")
    fails = query.status_filter == "failure" or query.outcome not in (None, "ok")
    if fails or query.error_code is not None or query.error_message is not None:
        conditions.add(FAILED)
    if query.error_code is not None:
        digits = query.error_code.isdecimal() and len(query.error_code) < 9
        if digits:
            conditions.add("http_status = {}", int(query.error_code))
        else:
            conditions.add("error_class = {}", query.error_code)
    if query.error_message is not None:
        escaped = query.error_message.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.add("error_message ILIKE {}", f"%{escaped}%")


def summed_alike(query: LogFilter) -> SumsQuery | None:
    """The query of the rollups that counts the same rows. None where the rollups can't count them: the filter
    has a field that they don't have, or the period is not in whole days."""
    known = {"start_date", "end_date", "status_filter", *(name for name, _ in _SUMMED)}
    if query.outcome in _OUTCOMES and query.status_filter is None:
        known.add("outcome")
    asked = {name for name in LogFilter.__struct_fields__ if getattr(query, name) is not None}
    whole_days = all(date is None or len(date) == 10 for date in (query.start_date, query.end_date))
    if not asked <= known or not whole_days:
        return None
    where = {dimension: (getattr(query, name),) for name, dimension in _SUMMED if name in asked}
    days = Days(query.start_date, query.end_date)
    return SumsQuery(by=((),), days=days, where=where, only=(counted_by(query),))


def counted_by(query: LogFilter) -> str:
    """The measure of the rollups that counts the rows of a query."""
    return _OUTCOMES.get(query.outcome or "") or _COUNTED_BY.get(query.status_filter or "", "api_requests")
